import * as z from "zod";

/** How one attempt ended, whether for an event or as a test. */
const ended = {
  outcome: z.enum(["delivered", "failed"]),
  status: z.number().nullable(),
  latencyMs: z.number(),
  /** In words, and a word to filter by; null when it was delivered. */
  reason: z.object({ kind: z.string(), message: z.string() }).nullable(),
  /** The start of the answer's body; null when there was none, or the receiver is not known to be public. */
  snippet: z.string().nullable(),
};

/** One attempt as its endpoint's owner sees it. */
export const AttemptSchema = z
  .object({
    event: z.string(),
    type: z.string(),
    /** Null for a test, which is no event of the ledger. */
    seq: z.number().nullable(),
    at: z.string(),
    /** Which try of this delivery it was, from 1. */
    attempt: z.number(),
    ...ended,
    test: z.boolean(),
  })
  .meta({ id: "WebhookAttempt" });
export type AttemptView = z.infer<typeof AttemptSchema>;

/** What came of a test that somebody asked for. */
export const TestedSchema = z.object(ended).meta({ id: "WebhookTest" });
