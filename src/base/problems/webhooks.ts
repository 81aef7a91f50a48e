import type { Catalogue } from "./catalogue.ts";

/** Webhook endpoints and what is sent to them. */
export const webhooksProblems = {
  webhook_not_found: {
    status: 404,
    message: "There is no such webhook endpoint.",
    hint: "GET /v1/webhooks lists the endpoints that the caller and the keys below it made.",
  },
  webhook_not_active: {
    status: 409,
    message: "The webhook endpoint is paused or disabled.",
    hint: "Resume it first: POST /v1/webhooks/{id}/resume; it then catches up by itself.",
  },
  too_many_webhooks: {
    status: 409,
    message: "The instance has 1,000 webhook endpoints.",
    hint: "Delete endpoints that are not used any more; GET /v1/webhooks shows when each last took an event.",
  },
  event_not_found: {
    status: 404,
    message: "There is no such event.",
    hint: "GET /v1/events lists those that are kept and that the endpoint's owner may see; the oldest are removed.",
  },
} as const satisfies Catalogue;
