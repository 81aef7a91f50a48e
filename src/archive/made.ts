export const madeAtKinds = ["seen", "modified", "archive"] as const;
/**
 * By which evidence it is known when a backup was made. `seen`: the relay had the server make it, or saw it before the time
 * the file states; `modified`: the file's time, by the relay's clock; `archive`: the newest file in it is older than that.
 */
export type MadeAtBy = (typeof madeAtKinds)[number];

/** When a backup was made, ms since the epoch by the relay's clock. */
export type MadeAt = { at: number; by: MadeAtBy };

/** For documents: what `madeAtBy` says. */
export const MADE_AT_BY =
  "By which evidence: seen by the relay; the file's modified, by the relay's clock; the newest file in its archive.";
