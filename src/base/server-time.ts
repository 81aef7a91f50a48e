const WRITTEN = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?Z$/;

/**
 * A time as PocketBase writes it (`2026-11-23 00:17:13.814Z`, tools/types/datetime.go) or as BosBase documents it (`T`
 * instead of the space), in ms since the epoch; finer digits are cut off. Null for anything else: the server's zero
 * time is an empty text, and a date that does not exist (30 February) is not rolled over into one that does.
 */
export function readServerTime(text: string): number | null {
  const parts = WRITTEN.exec(text);
  if (parts === null) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const at = Date.UTC(year, month - 1, day, hour, minute, second, Number((parts[7] ?? "").slice(0, 3).padEnd(3, "0")));
  const rebuilt = new Date(at);
  // Date.UTC reads the years 0 to 99 as 1900 to 1999, and lets every field overflow into the next.
  const same =
    rebuilt.getUTCFullYear() === year &&
    rebuilt.getUTCMonth() === month - 1 &&
    rebuilt.getUTCDate() === day &&
    rebuilt.getUTCHours() === hour &&
    rebuilt.getUTCMinutes() === minute &&
    rebuilt.getUTCSeconds() === second;
  return same ? at : null;
}
