import { u16, u32, u64 } from "./little-endian.ts";

/** Markers that send a reader to the ZIP64 fields (APPNOTE 6.3.10 §4.4.1.4). */
export const FULL16 = 0xffff;
export const FULL32 = 0xffff_ffff;

const LOCATOR = 0x07064b50;
const LOCATOR_SIZE = 20;
const RECORD = 0x06064b50;
const RECORD_SIZE = 56;
const EXTRA = 0x0001;

/** What an end record says about the directory; `at` is where the record itself begins. */
export type EndFields = { at: number; entries: number; size: number; start: number };

/**
 * The end record with its ZIP64 record taken into account (APPNOTE §4.3.14, §4.3.15), or null when the two contradict
 * each other. `tail` ends with the archive, begins at `tailStart`, and holds at least 76 bytes before the record unless
 * the archive does not. The ZIP64 record must stand where the servers' writer puts it, directly before its locator, and
 * fields of the plain record that are not marked must agree with it, so that every reader finds the same directory.
 */
export function withZip64(tail: Uint8Array, tailStart: number, plain: EndFields): EndFields | null {
  const { at, entries, size, start } = plain;
  const locator = at - tailStart - LOCATOR_SIZE;
  if (locator < 0 || u32(tail, locator) !== LOCATOR) {
    // 65,535 entries fit the plain record; sizes and offsets that are marked do not.
    return size === FULL32 || start === FULL32 ? null : plain;
  }
  const record = locator - RECORD_SIZE;
  if (record < 0 || u32(tail, record) !== RECORD || u64(tail, record + 4) !== RECORD_SIZE - 12) return null;
  if (u32(tail, locator + 4) !== 0 || u32(tail, locator + 16) !== 1) return null;
  if (u64(tail, locator + 8) !== tailStart + record) return null;
  if (u32(tail, record + 16) !== 0 || u32(tail, record + 20) !== 0) return null;
  const full: EndFields = {
    at: tailStart + record,
    entries: u64(tail, record + 32),
    size: u64(tail, record + 40),
    start: u64(tail, record + 48),
  };
  if (u64(tail, record + 24) !== full.entries) return null;
  const agree =
    (entries === FULL16 || entries === full.entries) &&
    (size === FULL32 || size === full.size) &&
    (start === FULL32 || start === full.start);
  return agree ? full : null;
}

/** Sizes and offset of one entry as its record writes them, `FULL32` where the ZIP64 block has to be asked. */
type Extents = { unpacked: number; packed: number; offset: number };

/**
 * The entry's true sizes and offset and the length of its extra data without the ZIP64 block (APPNOTE §4.5.3), or null
 * when the extra data is malformed or contradicts the record. The servers' writer puts all three numbers into the block
 * though it marks only two: the unmarked one must then agree.
 */
export function readExtra(extra: Uint8Array, marked: Extents): (Extents & { otherExtra: number }) | null {
  const wanted = (["unpacked", "packed", "offset"] as const).filter((field) => marked[field] === FULL32);
  const full = { ...marked };
  let block = 0;
  for (let at = 0; at < extra.length; ) {
    if (at + 4 > extra.length) return null;
    const length = u16(extra, at + 2);
    if (at + 4 + length > extra.length) return null;
    if (u16(extra, at) === EXTRA) {
      if (block > 0) return null;
      block = 4 + length;
      if (length === 24) {
        const all = { unpacked: u64(extra, at + 4), packed: u64(extra, at + 12), offset: u64(extra, at + 20) };
        for (const field of ["unpacked", "packed", "offset"] as const) {
          if (marked[field] !== FULL32 && marked[field] !== all[field]) return null;
        }
        Object.assign(full, all);
      } else {
        if (length !== wanted.length * 8) return null;
        wanted.forEach((field, index) => {
          full[field] = u64(extra, at + 4 + index * 8);
        });
      }
    }
    at += 4 + length;
  }
  if (block === 0 && wanted.length > 0) return null;
  return { ...full, otherExtra: extra.length - block };
}
