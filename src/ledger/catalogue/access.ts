import * as z from "zod";
import { apiKey, count, endpoint, kind, sample, time } from "./shapes.ts";

const key = { id: "Zk3v9QpLx7", name: "nightly robot" };
const hook = { id: "wh_4Jk2mPq8", host: "hooks.example.com", description: "pager" };

/** API keys: never more of them than id and name. */
export const keyKinds = {
  "key.created": kind(
    "An API key was minted, or rights like a key's were given to a holder.",
    {
      key: apiKey,
      parent: z.string().nullable().describe("The key that minted it; null: an administrator."),
      preset: z.string().nullable(),
      scopes: z.array(z.string()),
      expires: time.nullable(),
      holder: z
        .object({ kind: z.enum(["grant", "trust", "schedule"]), id: z.string() })
        .optional()
        .describe("What holds these rights without a key text; left out for a key."),
    },
    {
      key,
      parent: "Rt5Yw2Nc5H",
      preset: "robot",
      scopes: ["backups:list", "backups:create"],
      expires: "2027-11-22T00:00:00.000Z",
      actor: sample.approver,
    },
  ),
  "key.rotated": kind(
    "An API key has a new secret.",
    {
      key: apiKey,
      graceUntil: time.nullable().describe("Until when the old secret is still taken; null: at once not."),
    },
    { key, graceUntil: "2026-11-23T10:00:00.000Z", actor: sample.approver },
  ),
  "key.revoked": kind(
    "An API key was disabled or deleted, and with it every key it had minted.",
    { key: apiKey, how: z.enum(["disabled", "deleted"]) },
    { key, how: "deleted", actor: sample.approver },
  ),
  "key.expiring": kind(
    "An API key expires in 14, 3 or 1 days.",
    { key: apiKey, expires: time, daysLeft: z.union([z.literal(14), z.literal(3), z.literal(1)]) },
    { key, expires: "2026-11-25T10:00:00.000Z", daysLeft: 3, actor: sample.relay },
  ),
};

/** The webhook endpoints themselves, so that the others hear when one falls silent. */
export const webhookKinds = {
  "webhook.disabled": kind(
    "A webhook endpoint gets no events any more until it is resumed.",
    {
      webhook: endpoint,
      cause: z
        .enum(["gone", "receiver", "failing"])
        .describe("It answered 410; it asked by `webhook-delivery: disable`; it failed for five days."),
      message: z.string(),
      failingSince: time.nullable(),
    },
    {
      webhook: hook,
      cause: "failing",
      message: "Every attempt of the last 5 days failed.",
      failingSince: "2026-11-17T10:00:00.000Z",
      actor: sample.relay,
    },
  ),
  "webhook.resumed": kind(
    "A disabled webhook endpoint was resumed and catches up from where it stood.",
    { webhook: endpoint },
    { webhook: hook, actor: sample.key },
  ),
};

/** The ledger itself. */
export const ledgerKinds = {
  "ledger.cut": kind(
    "The oldest events were removed, as retention says. `digest` is what the first one left names as `prev`.",
    {
      from: count.describe("The first `seq` removed."),
      through: count.describe("The last `seq` removed."),
      digest: z.string().meta({ pattern: "^[0-9a-f]{64}$", description: "SHA-256 of the last one's stored text." }),
    },
    { from: 1, through: 20_000, digest: sample.archive.directorySha256, actor: sample.relay },
  ),
};
