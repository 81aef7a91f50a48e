import { isoTime } from "../../base/clock.ts";
import type { Actor } from "../../ledger/catalogue/shapes.ts";
import type { ListedBackup } from "../../upstream/backups-api.ts";

/** One backup in the relay's own view (API.md "Backups"): times are ISO 8601 here. */
export type BackupView = {
  key: string;
  size: number;
  modified: string;
  /** When the relay saw it first; null before it was announced. */
  firstSeen: string | null;
  /** Who made it, and by which operation; null where the ledger does not say. */
  actor: Actor | null;
  operation: string | null;
  verified: "ok" | "suspect" | "no" | "pending";
  /** Why it is not `ok`. */
  reason?: string;
};

/** What the relay knows of a backup besides the server's list. */
export type Known = Pick<BackupView, "actor" | "operation"> & {
  firstSeen: number | null;
  verified: BackupView["verified"];
  reason: string | null;
};

export type BackupOrder = "-modified" | "modified" | "key" | "-size";

/** The upstream's `modified` (a space, no `T`) in ms since the epoch; NaN when it is no time. */
export const modifiedAt = (modified: string): number => Date.parse(modified.replace(" ", "T"));

export function backupView({ key, size, modified }: ListedBackup, known: Known): BackupView {
  const at = modifiedAt(modified);
  return {
    key,
    size,
    modified: Number.isNaN(at) ? modified : isoTime(at),
    firstSeen: known.firstSeen === null ? null : isoTime(known.firstSeen),
    actor: known.actor,
    operation: known.operation,
    verified: known.verified,
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
 * One page in the order asked for. The cursor is the last key given out; when that backup is gone meanwhile, the list
 * starts anew, so that no backup is skipped.
 */
export function pageOf(
  all: readonly ListedBackup[],
  { limit, cursor, sort }: { limit: number; cursor: string | null; sort: BackupOrder },
): { items: ListedBackup[]; nextCursor: string | null } {
  const sorted = [...all].sort(orders[sort]);
  const start = cursor === null ? 0 : sorted.findIndex(({ key }) => key === cursor) + 1;
  const items = sorted.slice(start, start + limit);
  return { items, nextCursor: start + limit < sorted.length ? items.at(-1)!.key : null };
}
