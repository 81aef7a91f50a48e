import type { Catalogue } from "./catalogue.ts";

/** Any request, whatever it is about. */
export const requestsProblems = {
  not_found: {
    status: 404,
    message: "The requested resource wasn't found.",
    hint: "Check the path, and the method: there is no 405.",
  },
  host_refused: {
    status: 400,
    message: "The Host header names no host.",
    hint: "Send the relay's own name or address there, with its port and nothing else.",
  },
  invalid_request: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "See data for the fields that were refused.",
  },
  body_unreadable: {
    status: 400,
    message: "An error occurred while loading the submitted data.",
    hint: "The body is no JSON: look for a missing quote, bracket or comma.",
  },
  media_type_refused: {
    status: 415,
    message: "Unsupported Media Type.",
    hint: "Send the body as JSON, with the header Content-Type: application/json.",
  },
  body_too_large: {
    status: 413,
    message: "Request entity too large.",
    hint: "The body of a create may have 64 KiB.",
  },
  idempotency_key_invalid: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "Idempotency-Key takes 1 to 255 visible ASCII characters, best a UUID.",
  },
  idempotency_unsupported: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "Idempotency-Key is understood only by calls that answer an operation.",
  },
  idempotency_mismatch: {
    status: 422,
    message: "The Idempotency-Key was used for another request.",
    hint: "Take a new key for a new request, or send the same request again.",
  },
  idempotency_running: {
    status: 409,
    message: "The request with this Idempotency-Key is still running.",
    hint: "Follow Location instead of asking again.",
  },
  misconfigured: {
    status: 503,
    message: "The relay is not set up.",
    hint: "Its operator finds the setting to mend in this message.",
  },
  storage_full: {
    status: 503,
    message: "The relay's disk is full: nothing can be written.",
    hint: "Whoever runs the relay makes room where its data lies; until then it only reads. What was asked may have been begun before: look before asking again.",
  },
  internal: {
    status: 500,
    message: "Something went wrong while processing your request.",
    hint: "Report the requestId to the relay's operator.",
  },
  relay_restarted: {
    status: 503,
    message: "The relay restarted or is overloaded, and lost the request.",
    hint: "Try again after Retry-After. What was asked may have been done: look before asking again.",
  },
} as const satisfies Catalogue;
