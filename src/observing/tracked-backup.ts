/** One content of a file: another size or time means that it was replaced. */
export type Generation = {
  size: number;
  /** ms since the epoch; null when the server gave no time. */
  modified: number | null;
};

/** What is remembered of one key: a row of the snapshot. Times are ms by the relay's clock. */
export type Sighting = {
  key: string;
  firstSeen: number;
  /** What the ledger says is there; null before it is announced and after it was deleted. */
  said: Generation | null;
  /** Seen since then and not announced yet, because it is too young, or older than what was there before. */
  seen: (Generation & { since: number }) | null;
  /** The first of the looks that all missed it, and the last one before; null while it is listed. */
  missing: { since: number; lastListed: number } | null;
  /** What the ledger said is gone, for as long as a lagging list may still show it. */
  gone: (Generation & { at: number })[];
};

export type Snapshot = {
  /** When the last look was; null before the first. */
  lookedAt: number | null;
  sightings: ReadonlyMap<string, Sighting>;
};

/** What a look found to have happened. Each is true once, however often it is looked at. */
export type Fact =
  | { kind: "created"; key: string; generation: Generation }
  | { kind: "changed"; key: string; generation: Generation; previous: Generation }
  /** `pruned`: it looks like the server's own cron, which removes the oldest of its files after adding one. */
  | { kind: "deleted"; key: string; generation: Generation; pruned: boolean }
  | { kind: "store_changed"; before: number; after: number; gone: number; kept: number; added: number };

/** What to store, in the transaction that appends the facts. Rows that did not change are not in it. */
export type Diff = {
  facts: Fact[];
  upserts: Sighting[];
  removed: string[];
  /** Something waits for one more look: look again in a few seconds instead of at the next regular time. */
  lookAgain: boolean;
};

export const sameGeneration = (a: Generation | null, b: Generation | null): boolean =>
  a !== null && b !== null && a.size === b.size && a.modified === b.modified;
