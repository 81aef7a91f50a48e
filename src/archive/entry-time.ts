import { u16, u32, u64 } from "./little-endian.ts";

/** Extra blocks that hold the time of the last change in UTC: of Unix, as the servers write it, and of Windows. */
const UNIX = 0x5455;
const WINDOWS = 0x000a;
/** Where Windows' count of 100 ns begins, in ms before 1970. */
const WINDOWS_EPOCH_MS = 11_644_473_600_000;
/** ZIP's own times begin here: writers put this, or zero, where they know none. */
const ZIP_EPOCH = Date.UTC(1980, 0, 1);

/**
 * When an entry was changed last, ms since the epoch; null when its record states no time. `extra` is well-formed. Without
 * an extra block there is the local time of whoever packed it, which is read as UTC.
 */
export function entryTime(extra: Uint8Array, time: number, date: number): number | null {
  for (let at = 0; at + 4 <= extra.length; at += 4 + u16(extra, at + 2)) {
    const length = u16(extra, at + 2);
    const block = extra.subarray(at + 4, at + 4 + length);
    if (u16(extra, at) === UNIX && length >= 5 && block[0]! & 1) return (u32(block, 1) | 0) * 1000;
    if (u16(extra, at) === WINDOWS && length >= 16 && u16(block, 4) === 1 && u16(block, 6) >= 8)
      return Math.floor(u64(block, 8) / 10_000) - WINDOWS_EPOCH_MS;
  }
  const written = Date.UTC(
    1980 + (date >> 9),
    ((date >> 5) & 15) - 1,
    date & 31,
    time >> 11,
    (time >> 5) & 63,
    (time & 31) * 2,
  );
  return written > ZIP_EPOCH ? written : null;
}
