/**
 * Every code the relay answers, with its HTTP status, its public message (PocketBase's own words where PocketBase has
 * the same refusal, because SDK users match on them) and a hint that says what to do. `docs/errors.md` has one entry
 * per code; a test keeps the two equal.
 */
export const problems = {
  unauthenticated: {
    status: 401,
    message: "The request requires valid record authorization token.",
    hint: "Send an API key, a session or the administrator's token in the Authorization header.",
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
  ticket_refused: {
    status: 403,
    message: "Insufficient permissions to access the resource.",
    hint: "Ask POST /api/files/token for a fresh ticket and put it into ?token=.",
  },
  not_found: {
    status: 404,
    message: "The requested resource wasn't found.",
    hint: "Check the path, and the method: there is no 405.",
  },
  rate_limited: { status: 429, message: "Too Many Requests.", hint: "Wait as long as Retry-After says." },
  quota_exhausted: {
    status: 429,
    message: "Too Many Requests.",
    hint: "The key's daily quota for this scope is used up; it starts anew at 00:00 UTC.",
  },
  invalid_request: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "See data for the fields that were refused.",
  },
  misconfigured: {
    status: 503,
    message: "The relay is not set up.",
    hint: "Its operator finds the setting to mend in this message.",
  },
  internal: {
    status: 500,
    message: "Something went wrong while processing your request.",
    hint: "Report the requestId to the relay's operator.",
  },
} as const satisfies Record<string, { status: number; message: string; hint: string }>;

export type ProblemCode = keyof typeof problems;
