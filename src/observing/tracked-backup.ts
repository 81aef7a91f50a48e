import { pastOrUnknown } from "../base/clock.ts";
import type { Arrival } from "./made-at.ts";

/** One content of a file: another size or time means that it was replaced. */
export type FileVersion = {
  size: number;
  /** ms since the epoch; null when the server gave no time. */
  modified: number | null;
};

/** When a version was first seen, with what it took to read its time then: evidence of when it was made. */
export type Sight = FileVersion & { at: number; skewMs: number; arrival: Arrival };

/** What is stored of one key: a row of `tracked_backups`. Times are ms by the relay's clock. */
export type TrackedBackup = {
  key: string;
  firstSeen: number;
  /** The version that the ledger announced; null before it is announced and after it was deleted. */
  announced: FileVersion | null;
  /** A version seen since then and not announced yet: it is too young, or older than the one before. */
  candidate: (FileVersion & { since: number }) | null;
  /** The first of the looks that all missed it, and the last one before; null while it is listed. */
  missing: { since: number; lastListed: number } | null;
  /** Versions announced as gone, for as long as a list that lags may still show them. */
  recentlyGone: (FileVersion & { at: number })[];
  /** True while the list has more than one entry of this key, which was told. */
  ambiguous?: boolean;
  /** Of the versions `announced` and `candidate`; undefined in rows of older relays. */
  sights?: Sight[];
};

export type ObservedState = {
  /** When the last look was; null before the first. */
  lookedAt: number | null;
  tracked: ReadonlyMap<string, TrackedBackup>;
};

/** What a look found to have happened. Each is found once. */
export type Fact =
  | { kind: "created"; key: string; version: FileVersion }
  | { kind: "changed"; key: string; version: FileVersion; previous: FileVersion }
  /** `pruned`: it looks like the server's own cron, which removes the oldest of its files after adding one. */
  | { kind: "deleted"; key: string; version: FileVersion; pruned: boolean }
  /** The list has more than one entry of this key. */
  | { kind: "ambiguous"; key: string; versions: FileVersion[] }
  | { kind: "store_changed"; before: number; after: number; gone: number; kept: number; added: number };

/** What to store, in the transaction that appends the facts. Rows that did not change are not in it. */
export type Diff = {
  facts: Fact[];
  upserts: TrackedBackup[];
  removed: string[];
  /** Something waits for one more look: look again in a few seconds instead of at the next regular time. */
  lookAgain: boolean;
};

export const sameVersion = (a: FileVersion | null, b: FileVersion | null): boolean =>
  a !== null && b !== null && a.size === b.size && a.modified === b.modified;

/** A sight that a clock dated ahead says nothing. */
const isKnown = ({ at }: Sight, now: number): boolean => pastOrUnknown(at, now) !== null;

/** Whether a clock that ran ahead has dated what is stored of a backup. */
export const isDatedAhead = ({ sights }: TrackedBackup, now: number): boolean =>
  sights?.some((sight) => !isKnown(sight, now)) ?? false;

/** The sights to keep of a backup: those of its present versions, a version not seen before as it was seen now. */
export const sightsOf = (
  { announced, candidate }: TrackedBackup,
  before: readonly Sight[],
  now: Pick<Sight, "at" | "skewMs">,
): Sight[] =>
  [announced, candidate].flatMap((version) => {
    if (version === null) return [];
    const { size, modified } = version;
    const known = before.find((sight) => sameVersion(sight, version) && isKnown(sight, now.at));
    return [known ?? { size, modified, ...now, arrival: null }];
  });
