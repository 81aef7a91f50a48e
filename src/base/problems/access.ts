import type { Catalogue } from "./catalogue.ts";

/** What a credential may not do, or not now. */
export const accessProblems = {
  unauthenticated: {
    status: 401,
    message: "The request requires valid record authorization token.",
    hint: "Send an API key, a session or the administrator's token in the Authorization header.",
  },
  login_failed: {
    status: 400,
    message: "Failed to authenticate.",
    hint: "Give the API key as the password; any identity will do.",
  },
  scope_missing: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "The key or one above it lacks the scope this call needs; mint a key that has it.",
  },
  network_refused: {
    status: 403,
    message: "You are not allowed to perform this request.",
    hint: "The caller's address is not in the networks of the key or of one above it.",
  },
  pattern_refused: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "The key may only touch backups whose names match its patterns; GET /v1/keys/self shows them.",
  },
  admin_only: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "This call needs the administrator's token.",
  },
  credential_refused: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "This kind of credential cannot make this call.",
  },
  ticket_refused: {
    status: 403,
    message: "Insufficient permissions to access the resource.",
    hint: "Ask POST /api/files/token for a fresh ticket and put it into ?token=.",
  },
  rate_limited: { status: 429, message: "Too Many Requests.", hint: "Wait as long as Retry-After says." },
  quota_exhausted: {
    status: 429,
    message: "Too Many Requests.",
    hint: "The key's daily quota for this scope is used up; it starts anew at 00:00 UTC.",
  },
} as const satisfies Catalogue;
