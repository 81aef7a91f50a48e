import { readServerTime } from "../base/server-time.ts";
import type { Listing } from "../upstream/backups-api.ts";
import { CRON_PREFIX, isBackupKey } from "./backup-key.ts";
import {
  type Diff,
  type Fact,
  type FileVersion,
  type ObservedState,
  sameGeneration,
  type TrackedBackup,
} from "./tracked-backup.ts";

/** A file whose time is further back than this, by the server's clock, is announced at first sight. */
export const SETTLED_MS = 5_000;
/**
 * What goes back in time (a key that is missing, a content older than the one before) must be seen by at least two looks
 * this far apart: one list of a lagging store is no evidence.
 */
export const CONFIRM_MS = 5_000;
/** For this long after a deletion or a change, a list that shows the old content again is taken for an old list. */
export const ECHO_MS = 600_000;
/** At least this many, and more than half, gone at once: it is another store, not that many deletions. */
export const STORE_MINIMUM = 3;

const nothing = (): Diff => ({ facts: [], upserts: [], removed: [], lookAgain: false });

/**
 * Compares a list with what is remembered and says what happened. The first look of all remembers and tells nothing. `at`
 * is the relay's clock; the age of a file is judged by the server's own (`serverTime`), and without one every new file
 * waits for a second look.
 */
export function diff(observed: ObservedState, listing: Listing, at: number): Diff {
  const listed = new Map<string, FileVersion>();
  for (const { key, size, modified } of listing.items)
    if (isBackupKey(key)) listed.set(key, { size, modified: readServerTime(modified) });
  if (observed.lookedAt === null)
    return { ...nothing(), upserts: [...listed].map(([key, version]) => settled(key, version, at)) };

  const known = [...observed.tracked.values()].filter((tracked) => tracked.said !== null);
  const missing = known.filter(({ key }) => !listed.has(key));
  const look: Look = { observed, listed, serverTime: listing.serverTime, at, holding: false };
  // A lowered `cronMaxKeep` removes many at once from a store that is still the same.
  const kept = known.some(({ key }) => key.startsWith(CRON_PREFIX) && listed.has(key));
  const unexplained = missing.filter((tracked) => !(kept && pruned(look, tracked)));
  const most = (count: number) => count >= STORE_MINIMUM && count * 2 > known.length;
  if (most(unexplained.filter((tracked) => missedLong(tracked, at)).length))
    return anotherStore(observed, listed, known, missing.length, at);

  look.holding = most(unexplained.length);
  const result = nothing();
  for (const [key, version] of listed) present(look, key, version, result);
  for (const tracked of observed.tracked.values()) if (!listed.has(tracked.key)) absent(look, tracked, result);
  result.facts.sort(inOrder);
  return result;
}

/** `holding`: most keys are missing, so nothing is announced until it is clear whether this is still the same store. */
type Look = {
  observed: ObservedState;
  listed: ReadonlyMap<string, FileVersion>;
  serverTime: number | null;
  at: number;
  holding: boolean;
};

const settled = (key: string, said: FileVersion, at: number): TrackedBackup => ({
  key,
  firstSeen: at,
  said,
  seen: null,
  missing: null,
  gone: [],
});

const missedLong = ({ missing }: TrackedBackup, at: number) => missing !== null && at - missing.since >= CONFIRM_MS;
const echoes = ({ gone }: TrackedBackup, at: number) => gone.filter((version) => at - version.at < ECHO_MS);

function present(look: Look, key: string, version: FileVersion, result: Diff): void {
  const { at } = look;
  const known = look.observed.tracked.get(key);
  const remains = known !== undefined && (known.said !== null || known.seen !== null);
  const tracked = remains ? known : { ...settled(key, version, at), said: null, gone: known?.gone ?? [] };
  const { said, seen } = tracked;
  const before = [...echoes(tracked, at), ...(said === null ? [] : [said])];
  if (before.some((other) => sameGeneration(other, version))) {
    const doubtful = seen !== null && said !== null;
    if (doubtful || tracked.missing !== null)
      result.upserts.push({ ...tracked, seen: doubtful ? null : seen, missing: null });
    return;
  }
  const again = sameGeneration(seen, version);
  const older = before.some((other) => (other.modified ?? 0) > (version.modified ?? Number.MAX_SAFE_INTEGER));
  const enough = older ? again && at - seen!.since >= CONFIRM_MS : again || isOld(look, version);
  if (look.holding || !enough) {
    result.lookAgain = true;
    if (!again || tracked.missing !== null)
      result.upserts.push({ ...tracked, seen: again ? seen : { ...version, since: at }, missing: null });
    return;
  }
  result.facts.push(
    said === null ? { kind: "created", key, version } : { kind: "changed", key, version, previous: said },
  );
  result.upserts.push({ ...tracked, said: version, seen: null, missing: null, gone: remembered(tracked, at) });
}

const isOld = ({ serverTime }: Look, { modified }: FileVersion) =>
  modified !== null && serverTime !== null && serverTime - modified > SETTLED_MS;

function absent(look: Look, tracked: TrackedBackup, result: Diff): void {
  const { at } = look;
  const { key, said, seen, missing } = tracked;
  if (said === null && seen === null) {
    if (echoes(tracked, at).length === 0) result.removed.push(key);
    return;
  }
  if (look.holding || !missedLong(tracked, at)) {
    result.lookAgain = true;
    if (missing === null)
      result.upserts.push({ ...tracked, missing: { since: at, lastListed: look.observed.lookedAt ?? at } });
    return;
  }
  if (said !== null) result.facts.push({ kind: "deleted", key, version: said, pruned: pruned(look, tracked) });
  const gone = remembered(tracked, at);
  if (gone.length === 0) result.removed.push(key);
  else result.upserts.push({ ...tracked, said: null, seen: null, missing: null, gone });
}

/** What a lagging list may still show, with what the ledger has just stopped to say. */
const remembered = (tracked: TrackedBackup, at: number) => [
  ...echoes(tracked, at),
  ...(tracked.said === null ? [] : [{ ...tracked.said, at }]),
];

/** The server's cron adds a file and then removes its oldest ones: all that are left are newer, and one of them is new. */
function pruned({ observed, listed, at }: Look, { key, said, missing }: TrackedBackup): boolean {
  if (!key.startsWith(CRON_PREFIX) || said === null) return false;
  const lastListed = missing?.lastListed ?? observed.lookedAt ?? at;
  const left = [...listed].filter(([other]) => other.startsWith(CRON_PREFIX));
  const firstSeen = (other: string) => observed.tracked.get(other)?.firstSeen ?? at;
  return (
    left.every(([, { modified }]) => (modified ?? 0) >= (said.modified ?? 0)) &&
    left.some(([other]) => firstSeen(other) >= lastListed)
  );
}

/** Everything is remembered anew: the old store's keys say nothing about this one's. */
function anotherStore(
  observed: ObservedState,
  listed: ReadonlyMap<string, FileVersion>,
  known: readonly TrackedBackup[],
  gone: number,
  at: number,
): Diff {
  const kept = known.length - gone;
  return {
    facts: [{ kind: "store_changed", before: known.length, after: listed.size, gone, kept, added: listed.size - kept }],
    upserts: [...listed].map(([key, version]) => ({
      ...settled(key, version, at),
      firstSeen: observed.tracked.get(key)?.firstSeen ?? at,
    })),
    removed: [...observed.tracked.keys()].filter((key) => !listed.has(key)),
    lookAgain: false,
  };
}

const RANK = { store_changed: 0, created: 1, changed: 1, deleted: 2 };

/** What came before what went, and by the files' own times: the order in which it can have happened. */
function inOrder(a: Fact, b: Fact): number {
  const rank = RANK[a.kind] - RANK[b.kind];
  if (rank !== 0 || a.kind === "store_changed" || b.kind === "store_changed") return rank;
  const time = (a.version.modified ?? Number.MAX_SAFE_INTEGER) - (b.version.modified ?? Number.MAX_SAFE_INTEGER);
  return time !== 0 ? time : a.key < b.key ? -1 : 1;
}
