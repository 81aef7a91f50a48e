import type { Catalogue } from "./catalogue.ts";

/** Operations, their queue and their approvals. */
export const operationsProblems = {
  operation_not_found: {
    status: 404,
    message: "There is no such operation.",
    hint: "GET /v1/operations lists those you may see; finished ones are kept for a bounded time.",
  },
  operation_unfinished: {
    status: 504,
    message: "The server did not answer in time.",
    hint: "The relay stays on it: ask the operation that Location names how it ends. Nothing is sent twice.",
  },
  operation_canceled: {
    status: 409,
    message: "The operation was canceled.",
    hint: "Somebody canceled it before anything was sent to the server; ask again.",
  },
  operation_final: {
    status: 409,
    message: "The operation has ended.",
    hint: "GET /v1/operations/{id} tells how.",
  },
  operation_not_cancelable: {
    status: 409,
    message: "The operation cannot be canceled any more.",
    hint: "The request was sent to the server, which has no way to stop it. Wait for the outcome.",
  },
  queue_full: {
    status: 429,
    message: "Too Many Requests.",
    hint: "20 operations wait for this server already. Wait for some to end.",
  },
  approval_required: {
    status: 403,
    message: "The authorized record is not allowed to perform this action.",
    hint: "This key needs another principal's approval: ask through /v1, which answers with an operation to follow.",
  },
  requester_revoked: {
    status: 403,
    message: "The key that asked for this may not have it any more.",
    hint: "It, or a key above it, was disabled or deleted or has expired; ask again with a key that may do this.",
  },
  approvals_full: {
    status: 429,
    message: "Too Many Requests.",
    hint: "Three of your requests wait for an approval already. Have them decided, or cancel one.",
  },
  approval_not_pending: {
    status: 409,
    message: "The operation does not wait for an approval.",
    hint: "GET /v1/operations/{id} tells its state.",
  },
  approval_own: {
    status: 403,
    message: "You are not allowed to perform this request.",
    hint: "Another principal has to decide: nobody approves or denies a request of their own. You may cancel it.",
  },
  approval_denied: {
    status: 403,
    message: "The request was denied.",
    hint: "Another principal said no: the operation's approval names who. Nothing was done.",
  },
  approval_expired: {
    status: 409,
    message: "The request was not approved in time.",
    hint: "Nothing was done; ask again.",
  },
  approval_changed: {
    status: 409,
    message: "The backup is not the one that was asked for.",
    hint: "The file was replaced or deleted since. Nothing was done; look at the backup and ask again.",
  },
} as const satisfies Catalogue;
