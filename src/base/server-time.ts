/** Years before 0100 are none that a server means: Go's zero time is in year 1. */
const WRITTEN = /^(?!00)\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/;

/** A moment, ms since the epoch, as PocketBase writes it: UTC with a space instead of the `T`. */
export const serverTimeText = (at: number): string => new Date(at).toISOString().replace("T", " ");

/**
 * A time as PocketBase writes it (`2026-11-23 00:17:13.814Z`, tools/types/datetime.go) or as BosBase documents it (`T`
 * instead of the space), in ms since the epoch; finer digits are cut off. Null for anything else, and for a date that does
 * not exist (30 February).
 */
export function readServerTime(text: string): number | null {
  if (!WRITTEN.test(text)) return null;
  const iso = text.replace(" ", "T");
  const at = Date.parse(iso);
  // `Date` turns 30 February into 2 March: only a time that it writes as it was read exists.
  return !Number.isNaN(at) && new Date(at).toISOString().slice(0, 19) === iso.slice(0, 19) ? at : null;
}
