import * as z from "zod";
import type { Counters } from "../../access/admission.ts";
import type { ApiKey, Lineage } from "../../access/key.ts";
import { quotasLeft, rateLeft } from "../../access/limits-left.ts";
import { effective } from "../../access/lineage.ts";
import { scopes } from "../../access/scope.ts";
import { isoTime } from "../../base/clock.ts";
import type { KeyUse } from "./store.ts";

export const ScopeSchema = z.enum(scopes).meta({ id: "Scope" });
/** Uses per UTC day and scope. */
export const QuotasSchema = z.partialRecord(ScopeSchema, z.number().int().min(0).max(1_000_000));

/** A key as its owner and the keys above it see it; never its digest. Times are ISO 8601. */
export const KeySchema = z
  .object({
    id: z.string(),
    parent: z.string().nullable(),
    principal: z.string(),
    name: z.string(),
    preset: z.string().nullable(),
    scopes: z.array(ScopeSchema),
    patterns: z.array(z.string()),
    networks: z.array(z.string()),
    notBefore: z.string().nullable(),
    expires: z.string().nullable(),
    ratePerMinute: z.number().nullable(),
    quotas: QuotasSchema,
    approval: z.array(z.string()),
    approvalSeconds: z.number().nullable(),
    disabled: z.boolean(),
    note: z.string(),
    created: z.string(),
    createdBy: z.string(),
    /** Until when the secret before the last rotation is still valid; null when there is none. */
    previousUntil: z.string().nullable(),
    lastUsed: z.object({ at: z.string(), address: z.string().nullable() }).nullable(),
    uses: z.number(),
    holder: z
      .object({ kind: z.enum(["grant", "trust", "schedule"]), id: z.string() })
      .optional()
      .describe("What holds these rights without a key text; left out for a key."),
  })
  .meta({ id: "Key" });
export type KeyView = z.infer<typeof KeySchema>;

/** With the key's text, which is shown once: when it is minted, and when it is rotated. */
export const MintedKeySchema = z.intersection(KeySchema, z.object({ key: z.string() })).meta({ id: "MintedKey" });
export type MintedKey = z.infer<typeof MintedKeySchema>;

/** What the lineage allows as a whole, and what is left of its limits now. */
const RightsSchema = z.object({
  scopes: z.array(ScopeSchema),
  notBefore: z.string().nullable(),
  expires: z.string().nullable(),
  approval: z.array(z.string()),
  disabled: z.boolean(),
  /** The key first, its root last: a backup, an address, a request must satisfy every level. */
  levels: z.array(KeySchema.pick({ id: true, patterns: true, networks: true, ratePerMinute: true, quotas: true })),
  rateLeft: z.number().nullable().describe("Requests left of this minute; null without a rate."),
  quotasLeft: z.partialRecord(ScopeSchema, z.number()).describe("Uses left until 00:00 UTC."),
});
type Rights = z.infer<typeof RightsSchema>;

export const KeySelfSchema = z
  .object({ kind: z.enum(["admin", "key"]), key: z.union([KeySchema, z.null()]), rights: RightsSchema.nullable() })
  .meta({ id: "Self" });
export type KeySelf = z.infer<typeof KeySelfSchema>;

const timeOrNull = (at: number | null): string | null => (at === null ? null : isoTime(at));

export function keyView(key: ApiKey, use: KeyUse, now: number): KeyView {
  const { digest: _digest, secretVersion: _version, previous, holder, ...shown } = key;
  return {
    ...shown,
    ...(holder ? { holder } : {}),
    approvalSeconds: key.approvalSeconds ?? null,
    notBefore: timeOrNull(key.notBefore),
    expires: timeOrNull(key.expires),
    created: isoTime(key.created),
    previousUntil: previous && previous.until > now ? isoTime(previous.until) : null,
    lastUsed: use.at === null ? null : { at: isoTime(use.at), address: use.address },
    uses: use.uses,
  };
}

export function rightsView(lineage: Lineage, { rates, quotas }: Counters, now: number): Rights {
  const { notBefore, expires, ...rights } = effective(lineage);
  const rate = rateLeft(lineage, { rate: (id, limit) => rates.peek(id, limit, now) }, now);
  const left = quotasLeft(lineage, { quota: (id, scope, day) => quotas.used(id, scope, day) }, now);
  return {
    ...rights,
    notBefore: timeOrNull(notBefore),
    expires: timeOrNull(expires),
    rateLeft: rate?.remaining ?? null,
    quotasLeft: Object.fromEntries(left.map(({ scope, remaining }) => [scope, remaining])),
  };
}
