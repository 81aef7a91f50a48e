import { Buffer } from "node:buffer";
import { fail, ok, type Result } from "../base/result.ts";
import type { Entry } from "./central-directory.ts";
import { quotedName, readName } from "./entry-name.ts";
import { finding, type Halt, refused } from "./finding.ts";
import { u16, u32, u64 } from "./little-endian.ts";
import type { Ranges } from "./ranges.ts";
import { FULL32, readExtra } from "./zip64.ts";

/** An entry with the bytes between its name plus data and the next entry: local extra data and data descriptor. */
export type PlacedEntry = Entry & { slack: number };

export const LOCAL_SIZE = 30;
/** Flag bits (APPNOTE 6.3.10 §4.4.4): encrypted, strong encryption, header values masked; sizes follow the data. */
export const ENCRYPTED = 0x0001 | 0x0040 | 0x2000;
export const STREAMED = 0x0008;

const LOCAL = 0x04034b50;
const DESCRIPTOR = 0x08074b50;
/** Extra data longer than this was never seen before a file's data; a longer one is only measured, not read. */
const EXTRA_READ = 512;

/**
 * Compares the local header of an entry with its listing (APPNOTE §4.3.7): name, method, flags, CRC and sizes, and that
 * header, data and descriptor fill exactly the bytes up to the next entry. Returns where the data begins. `ahead` may
 * ask for more bytes to be fetched along. One read, or none when the header lies in the window already read.
 */
export async function checkLocalHeader(
  ranges: Ranges,
  entry: PlacedEntry,
  ahead: number,
): Promise<Result<number, Halt>> {
  const nameEnd = entry.offset + LOCAL_SIZE + entry.name.length;
  const place = nameEnd + entry.packed + entry.slack;
  const header = await ranges.read(entry.offset, Math.min(nameEnd + EXTRA_READ, place), ahead);
  if (!header.ok) return header;
  const bytes = header.value;
  const extraLength = u16(bytes, 28);
  const streamed = (entry.flags & STREAMED) !== 0;
  const same =
    u32(bytes, 0) === LOCAL &&
    u16(bytes, 6) === entry.flags &&
    u16(bytes, 8) === entry.method &&
    u16(bytes, 26) === entry.name.length &&
    Buffer.compare(bytes.subarray(LOCAL_SIZE, LOCAL_SIZE + entry.name.length), entry.name) === 0 &&
    sameSizes(bytes, entry, streamed) &&
    fits(entry.slack - extraLength, streamed);
  return same ? ok(nameEnd + extraLength) : differs(entry);
}

/**
 * What may stand between an entry's data and the next header: nothing, or a descriptor with 4 or 8 byte sizes, signed
 * or not.
 */
const fits = (descriptor: number, streamed: boolean): boolean =>
  streamed ? [12, 16, 20, 24].includes(descriptor) : descriptor === 0;

/** Streaming writers leave CRC and sizes zero; a writer that fills them in must repeat the listed ones. */
function sameSizes(bytes: Uint8Array, entry: Entry, streamed: boolean): boolean {
  const [crc, packed, unpacked] = [u32(bytes, 14), u32(bytes, 18), u32(bytes, 22)];
  if (streamed && crc === 0 && packed === 0 && unpacked === 0) return true;
  if (crc !== entry.crc && !(streamed && crc === 0)) return false;
  const extraStart = LOCAL_SIZE + entry.name.length;
  const extra = bytes.subarray(extraStart, extraStart + u16(bytes, 28));
  if (packed !== FULL32 && unpacked !== FULL32) return packed === entry.packed && unpacked === entry.unpacked;
  const full = readExtra(extra, { packed, unpacked, offset: 0 });
  if (full === null) return false;
  if (streamed && full.packed === 0 && full.unpacked === 0) return true;
  return full.packed === entry.packed && full.unpacked === entry.unpacked;
}

/**
 * Compares the data descriptor behind a streamed entry's data with its listing, which shows that the data ends where it
 * should.
 */
export async function checkDescriptor(
  ranges: Ranges,
  entry: PlacedEntry,
  dataStart: number,
): Promise<Result<null, Halt>> {
  if ((entry.flags & STREAMED) === 0) return ok(null);
  const start = dataStart + entry.packed;
  const end = entry.offset + LOCAL_SIZE + entry.name.length + entry.packed + entry.slack;
  const read = await ranges.read(start, end);
  if (!read.ok) return read;
  const bytes = read.value;
  const signed = bytes.length === 16 || bytes.length === 24;
  const crcAt = signed ? 4 : 0;
  const long = bytes.length >= 20;
  const packed = long ? u64(bytes, crcAt + 4) : u32(bytes, crcAt + 4);
  const unpacked = long ? u64(bytes, crcAt + 12) : u32(bytes, crcAt + 8);
  const same =
    (!signed || u32(bytes, 0) === DESCRIPTOR) &&
    u32(bytes, crcAt) === entry.crc &&
    packed === entry.packed &&
    unpacked === entry.unpacked;
  return same ? ok(null) : differs(entry);
}

const differs = (entry: Entry): Result<never, Halt> =>
  fail(refused(finding("header_differs", quotedName(readName(entry.name).text))));
