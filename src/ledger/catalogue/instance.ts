import * as z from "zod";
import { count, fault, kind, sample, time } from "./shapes.ts";

const daysLeft = z.union([z.literal(14), z.literal(3), z.literal(1)]);

/** The server as a whole, and the credential the relay holds for it. */
export const instanceKinds = {
  "instance.unreachable": kind(
    "The server did not answer three looks in a row, over at least 60 s.",
    { since: time.describe("The first look that failed."), failedLooks: count, error: fault },
    {
      since: "2026-11-22T09:59:00.000Z",
      failedLooks: 3,
      error: { code: "upstream_unreachable", message: "The server could not be reached." },
      actor: sample.relay,
    },
  ),
  "instance.reachable": kind(
    "The server answers again.",
    { since: time.describe("When it had become unreachable."), downSeconds: count },
    { since: "2026-11-22T09:51:00.000Z", downSeconds: 540, actor: sample.relay },
  ),
  "instance.unauthorized": kind(
    "The server no longer takes the credential the relay holds. Nothing is watched until it gets another.",
    {
      error: fault,
      restore: z
        .object({ operation: z.string(), key: z.string() })
        .optional()
        .describe("The restore that was sent since the server last took the credential: the likely cause."),
    },
    {
      error: {
        code: "upstream_unauthorized",
        message: "The server refused the relay's credential.",
        hint: "Give the instance a fresh one: PATCH /v1/instances/{name}.",
      },
      actor: sample.relay,
    },
  ),
  "instance.store_changed": kind(
    "Most backups vanished at once: another store lies behind the instance. One event instead of a deletion each.",
    {
      before: count.describe("Backups known until now."),
      after: count.describe("Backups listed now."),
      gone: count,
      kept: count,
      added: count,
    },
    { before: 14, after: 3, gone: 14, kept: 0, added: 3, actor: sample.upstream },
  ),
  "credential.expiring": kind(
    "The credential the relay holds for the server expires in 14, 3 or 1 days.",
    { expires: time, daysLeft },
    { expires: "2026-12-06T10:00:00.000Z", daysLeft: 14, actor: sample.relay },
  ),
};
