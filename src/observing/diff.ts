import { CRON_PREFIX } from "../access/backup-name.ts";
import { isWithin, pastOrUnknown } from "../base/clock.ts";
import { readServerTime } from "../base/server-time.ts";
import type { Listing } from "../upstream/backups-api.ts";
import { isBackupKey } from "./backup-key.ts";
import {
  type Diff,
  type Fact,
  type FileVersion,
  type ObservedState,
  sameVersion,
  type TrackedBackup,
} from "./tracked-backup.ts";

/** A file whose time is further back than this, by the server's clock, is announced at the first look. */
const SETTLED_MS = 5_000;
/**
 * A key that is missing, or a content older than the one before, must be seen by at least two looks this far apart: one
 * list of a store that lags is no evidence.
 */
export const CONFIRM_MS = 5_000;
/** For this long after a deletion or a change, a list that shows the old content again counts as an old list. */
export const STALE_LIST_MS = 600_000;
/** At least this many, and more than half, gone at once: it is another store, not that many deletions. */
const STORE_MINIMUM = 3;

const nothing = (): Diff => ({ facts: [], upserts: [], removed: [], lookAgain: false });

/**
 * Compares a list with what is stored and returns what happened. The very first look only stores what it sees. `at`
 * is the relay's clock; the age of a file is judged by the server's own (`serverTime`), and without one every new file
 * waits for a second look.
 */
export function diff(observed: ObservedState, listing: Listing, at: number): Diff {
  const entries = Map.groupBy(
    listing.items.filter(({ key }) => isBackupKey(key)),
    ({ key }) => key,
  );
  const versions = new Map(
    [...entries].map(([key, all]) => [
      key,
      all.map(({ size, modified }) => ({ size, modified: readServerTime(modified) })),
    ]),
  );
  const listed = new Map([...versions].map(([key, [version]]) => [key, version!]));
  if (observed.lookedAt === null)
    return { ...nothing(), upserts: [...listed].map(([key, version]) => newlyTracked(key, version, at)) };

  const known = [...observed.tracked.values()].filter((tracked) => tracked.announced !== null);
  const missing = known.filter(({ key }) => !listed.has(key));
  const look: Look = { observed, listed, serverTime: listing.serverTime, at, storeInDoubt: false };
  // A lowered `cronMaxKeep` removes many at once from a store that is still the same.
  const kept = known.some(({ key }) => key.startsWith(CRON_PREFIX) && listed.has(key));
  const unexplained = missing.filter((tracked) => !(kept && pruned(look, tracked)));
  const most = (count: number) => count >= STORE_MINIMUM && count * 2 > known.length;
  if (most(unexplained.filter((tracked) => missingConfirmed(tracked, at)).length))
    return storeChanged(observed, listed, known, missing.length, at);

  look.storeInDoubt = most(unexplained.length);
  const result = nothing();
  for (const [key, all] of versions)
    if (all.length > 1) ambiguous(look, key, all, result);
    else present(look, key, all[0]!, result);
  for (const tracked of observed.tracked.values())
    if (!listed.has(tracked.key)) absent(look, tracked, result);
    else if (tracked.ambiguous && versions.get(tracked.key)!.length === 1) unambiguous(tracked, result);
  result.facts.sort(inOrder);
  return result;
}

/**
 * `storeInDoubt`: most keys are missing, so nothing is announced until it is clear whether the store is still the same.
 */
type Look = {
  observed: ObservedState;
  listed: ReadonlyMap<string, FileVersion>;
  serverTime: number | null;
  at: number;
  storeInDoubt: boolean;
};

const newlyTracked = (key: string, announced: FileVersion, at: number): TrackedBackup => ({
  key,
  firstSeen: at,
  announced,
  candidate: null,
  missing: null,
  recentlyGone: [],
});

/** A look that a clock dated ahead confirms nothing, so a time to come is replaced by the present one. */
const missingConfirmed = ({ missing }: TrackedBackup, at: number) =>
  missing !== null && at - missing.since >= CONFIRM_MS;
const staleVersions = ({ recentlyGone }: TrackedBackup, at: number) =>
  recentlyGone.filter((version) => isWithin(version.at, STALE_LIST_MS, at));

/** Told once. Which of the entries is the one that was tracked cannot be known, so nothing else is said of the key. */
function ambiguous({ observed, at }: Look, key: string, versions: FileVersion[], result: Diff): void {
  const tracked = observed.tracked.get(key) ?? { ...newlyTracked(key, versions[0]!, at), announced: null };
  if (tracked.ambiguous) return;
  result.facts.push({ kind: "ambiguous", key, versions });
  result.upserts.push({ ...tracked, ambiguous: true, missing: null });
}

/** One entry is left: from here on it is compared like any other. */
function unambiguous(tracked: TrackedBackup, result: Diff): void {
  const { ambiguous: _, ...next } = result.upserts.find(({ key }) => key === tracked.key) ?? tracked;
  result.upserts = [...result.upserts.filter(({ key }) => key !== tracked.key), next];
}

function present(look: Look, key: string, version: FileVersion, result: Diff): void {
  const { at } = look;
  const known = look.observed.tracked.get(key);
  const isTracked = known !== undefined && (known.announced !== null || known.candidate !== null);
  const tracked = isTracked
    ? known
    : { ...newlyTracked(key, version, at), announced: null, recentlyGone: known?.recentlyGone ?? [] };
  const { announced, candidate } = tracked;
  const before = [...staleVersions(tracked, at), ...(announced === null ? [] : [announced])];
  if (before.some((other) => sameVersion(other, version))) {
    const hadCandidate = candidate !== null && announced !== null;
    if (hadCandidate || tracked.missing !== null)
      result.upserts.push({ ...tracked, candidate: hadCandidate ? null : candidate, missing: null });
    return;
  }
  const again = sameVersion(candidate, version) && pastOrUnknown(candidate!.since, at) !== null;
  const older = before.some((other) => (other.modified ?? 0) > (version.modified ?? Number.MAX_SAFE_INTEGER));
  const enough = older ? again && at - candidate!.since >= CONFIRM_MS : again || hasSettled(look, version);
  if (look.storeInDoubt || !enough) {
    result.lookAgain = true;
    if (!again || tracked.missing !== null)
      result.upserts.push({ ...tracked, candidate: again ? candidate : { ...version, since: at }, missing: null });
    return;
  }
  result.facts.push(
    announced === null ? { kind: "created", key, version } : { kind: "changed", key, version, previous: announced },
  );
  result.upserts.push({
    ...tracked,
    announced: version,
    candidate: null,
    missing: null,
    recentlyGone: withGone(tracked, at),
  });
}

const hasSettled = ({ serverTime }: Look, { modified }: FileVersion) =>
  modified !== null && serverTime !== null && serverTime - modified > SETTLED_MS;

function absent(look: Look, tracked: TrackedBackup, result: Diff): void {
  const { at } = look;
  const { key, announced, candidate, missing } = tracked;
  if (announced === null && candidate === null) {
    if (staleVersions(tracked, at).length === 0) result.removed.push(key);
    return;
  }
  if (look.storeInDoubt || !missingConfirmed(tracked, at)) {
    result.lookAgain = true;
    if (missing === null || pastOrUnknown(missing.since, at) === null)
      result.upserts.push({ ...tracked, missing: { since: at, lastListed: look.observed.lookedAt ?? at } });
    return;
  }
  if (announced !== null)
    result.facts.push({ kind: "deleted", key, version: announced, pruned: pruned(look, tracked) });
  const recentlyGone = withGone(tracked, at);
  if (recentlyGone.length === 0) result.removed.push(key);
  else result.upserts.push({ ...tracked, announced: null, candidate: null, missing: null, recentlyGone });
}

/** What a list that lags may still show: what is gone for a short time, with the version that goes now. */
const withGone = (tracked: TrackedBackup, at: number) => [
  ...staleVersions(tracked, at),
  ...(tracked.announced === null ? [] : [{ ...tracked.announced, at }]),
];

/**
 * The server's cron adds a file and then removes its oldest ones: all that are left are newer, and one of them is new.
 */
function pruned({ observed, listed, at }: Look, { key, announced, missing }: TrackedBackup): boolean {
  if (!key.startsWith(CRON_PREFIX) || announced === null) return false;
  const lastListed = Math.min(missing?.lastListed ?? observed.lookedAt ?? at, at);
  const left = [...listed].filter(([other]) => other.startsWith(CRON_PREFIX));
  const firstSeen = (other: string) => {
    const seen = observed.tracked.get(other)?.firstSeen ?? at;
    return seen > at ? 0 : seen;
  };
  return (
    left.every(([, { modified }]) => (modified ?? 0) >= (announced.modified ?? 0)) &&
    left.some(([other]) => firstSeen(other) >= lastListed)
  );
}

/** Everything is stored anew: the old store's keys say nothing about this one's. */
function storeChanged(
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
      ...newlyTracked(key, version, at),
      firstSeen: observed.tracked.get(key)?.firstSeen ?? at,
    })),
    removed: [...observed.tracked.keys()].filter((key) => !listed.has(key)),
    lookAgain: false,
  };
}

const RANK = { store_changed: 0, created: 1, changed: 1, deleted: 2, ambiguous: 3 };

/** Creations before deletions, each by the files' own times: the order in which it can have happened. */
function inOrder(a: Fact, b: Fact): number {
  const rank = RANK[a.kind] - RANK[b.kind];
  if (rank !== 0 || !("version" in a) || !("version" in b)) return rank;
  const time = (a.version.modified ?? Number.MAX_SAFE_INTEGER) - (b.version.modified ?? Number.MAX_SAFE_INTEGER);
  return time !== 0 ? time : a.key < b.key ? -1 : 1;
}
