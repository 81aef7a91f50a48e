import * as z from "zod";
import { verifiedLevels } from "../../archive/arrival.ts";
import { MADE_AT_BY, type MadeAt, madeAtKinds } from "../../archive/made.ts";
import { isoTime } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import type { ListedBackup } from "../../upstream/backups-api.ts";

/** One backup in the relay's own view: times are ISO 8601 here. */
export const BackupSchema = z
  .object({
    key: z.string(),
    size: z.number(),
    modified: z.string(),
    madeAt: z.string().nullable().describe("When it was made; null right after an upload, when it is not known yet."),
    madeAtBy: z.enum(madeAtKinds).nullable().describe(MADE_AT_BY),
    /** When the relay saw it first; null before it was announced. */
    firstSeen: z.string().nullable(),
    actor: z
      .object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() })
      .nullable()
      .describe("Who made it; null where the ledger does not tell."),
    /** The operation that made it; null as for `actor`. */
    operation: z.string().nullable(),
    verified: z.enum(["ok", "suspect", "no", "pending"]),
    /** How far it was looked into; left out when it is not `ok`. */
    level: z.enum(verifiedLevels).optional(),
    /** Why it is not `ok`, or does not count as a backup. */
    reason: z.string().optional(),
  })
  .meta({ id: "Backup" });
export type BackupView = z.infer<typeof BackupSchema>;

/** The newest backup, with the files newer than that which are none, at most 20. */
export const LatestBackupSchema = BackupSchema.extend({ skipped: z.array(BackupSchema) }).meta({ id: "LatestBackup" });
export type LatestBackup = z.infer<typeof LatestBackupSchema>;

/** What the relay knows of a backup besides the server's list. */
type RecordedFacts = Pick<BackupView, "actor" | "operation"> & {
  madeAt: MadeAt | null;
  firstSeen: number | null;
  verified: BackupView["verified"];
  level: BackupView["level"] | null;
  reason: string | null;
};

export const backupOrders = ["-modified", "modified", "key", "-size"] as const;
export type BackupOrder = (typeof backupOrders)[number];

/** The upstream's `modified` (a space, no `T`) in ms since the epoch; NaN when it is no time. */
export const modifiedAt = (modified: string): number => Date.parse(modified.replace(" ", "T"));

export function backupView({ key, size, modified }: ListedBackup, known: RecordedFacts): BackupView {
  const at = modifiedAt(modified);
  return {
    key,
    size,
    modified: Number.isNaN(at) ? modified : isoTime(at),
    madeAt: known.madeAt && isoTime(known.madeAt.at),
    madeAtBy: known.madeAt?.by ?? null,
    firstSeen: known.firstSeen === null ? null : isoTime(known.firstSeen),
    actor: known.actor,
    operation: known.operation,
    verified: known.verified,
    ...(known.level ? { level: known.level } : {}),
    ...(known.reason ? { reason: known.reason } : {}),
  };
}

const text = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const orders: { [order in BackupOrder]: (one: ListedBackup, other: ListedBackup) => number } = {
  "-modified": (one, other) => text(other.modified, one.modified) || text(one.key, other.key),
  modified: (one, other) => text(one.modified, other.modified) || text(one.key, other.key),
  key: (one, other) => text(one.key, other.key),
  "-size": (one, other) => other.size - one.size || text(one.key, other.key),
};

/**
 * One page in the order asked for. The cursor names the last entry given out: its key, and which of several of that key
 * it was. When it is gone meanwhile, the list starts anew, so that no backup is skipped.
 */
export function pageOf(
  all: readonly ListedBackup[],
  { limit, cursor, sort }: PageRequest & { sort: BackupOrder },
): Page<ListedBackup> {
  const sorted = [...all].sort(orders[sort]);
  const names = namesOf(sorted);
  const start = cursor === null ? 0 : names.indexOf(cursor) + 1;
  const end = start + limit;
  return { items: sorted.slice(start, end), nextCursor: end < sorted.length ? names[end - 1]! : null };
}

/** A name for each entry: its key, with a number from the second of that key on. */
function namesOf(entries: readonly ListedBackup[]): string[] {
  const seen = new Map<string, number>();
  return entries.map(({ key }) => {
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    return nth === 1 ? key : `${key}\t${nth}`;
  });
}
