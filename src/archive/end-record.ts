import { fail, ok, type Result } from "../base/result.ts";
import { binarySizeInWords } from "./entry-name.ts";
import { type Finding, type FindingCode, finding, type Halt, refused } from "./finding.ts";
import { u16, u32 } from "./little-endian.ts";
import type { Ranges } from "./ranges.ts";
import { type EndFields, FULL16, withZip64 } from "./zip64.ts";

/** Where the table of contents lies and how many entries it lists, as the archive's end says. */
export type DirectoryLocation = { start: number; size: number; entries: number };

/** More entries, or a larger table of contents, are refused unread (SECURITY 17). */
const MAX_ENTRIES = 200_000;
const MAX_DIRECTORY = 32 * 1024 * 1024;

const END = 0x06054b50;
const END_SIZE = 22;
const LOCAL = 0x04034b50;
const ENTRY = 0x02014b50;
/** One read that holds any comment and the ZIP64 records, and usually the whole directory. */
const TAIL = 128 * 1024;

/**
 * Finds the directory from the archive's end (APPNOTE 6.3.10 §4.3.16), in one read of at most 128 KiB and, to name
 * what is wrong, a second of 4 bytes. The archive must end with its one end record and comment, and the directory must
 * end where that record (or its ZIP64 record) begins: then no reader can find another directory.
 */
export async function findDirectory(ranges: Ranges): Promise<Result<DirectoryLocation, Halt>> {
  if (ranges.size === 0) return refuse("file_empty");
  const tailStart = Math.max(0, ranges.size - TAIL);
  const tail = await ranges.read(tailStart, ranges.size);
  if (!tail.ok) return tail;
  const ends = endsIn(tail.value);
  if (ends.length > 1) return refuse("several_ends");
  const end = ends[0];
  if (end === undefined) return endMissing(ranges, tail.value, tailStart);
  if (u16(tail.value, end + 4) !== 0 || u16(tail.value, end + 6) !== 0) return refuse("several_disks");
  const plain = endFields(tail.value, end, tailStart);
  if (u16(tail.value, end + 8) !== plain.entries) return refuse("several_disks");
  const fields = withZip64(tail.value, tailStart, plain);
  if (fields === null) return refuse("zip64_invalid");
  return bounded(ranges, fields);
}

/**
 * Positions of every end record whose comment reaches exactly the end of `tail`, and of any in such a comment: a reader
 * that searches from the other side would take that one.
 */
function endsIn(tail: Uint8Array): number[] {
  const ends: number[] = [];
  const signatures: number[] = [];
  for (let at = tail.length - END_SIZE; at >= Math.max(0, tail.length - END_SIZE - FULL16); at--) {
    if (tail[at] !== 0x50 || u32(tail, at) !== END) continue;
    if (at + END_SIZE + u16(tail, at + 20) === tail.length) ends.push(...signatures.splice(0), at);
    else signatures.push(at);
  }
  return ends;
}

/**
 * There is no end record that ends with the file: says whether it is cut off, has bytes after its end, or is no ZIP.
 */
async function endMissing(
  ranges: Ranges,
  tail: Uint8Array,
  tailStart: number,
): Promise<Result<DirectoryLocation, Halt>> {
  for (let at = tail.length - END_SIZE; at >= 0; at--) {
    if (tail[at] !== 0x50 || u32(tail, at) !== END) continue;
    const { start, size } = endFields(tail, at, tailStart);
    const believable = start + size === tailStart + at;
    if (believable) return refuse(at + END_SIZE + u16(tail, at + 20) > tail.length ? "truncated" : "bytes_after");
  }
  if (ranges.size < 4) return refuse("not_zip");
  const head = await ranges.read(0, 4);
  if (!head.ok) return head;
  return refuse(u32(head.value, 0) === LOCAL ? "truncated" : "not_zip");
}

async function bounded(
  ranges: Ranges,
  { at, entries, size, start }: EndFields,
): Promise<Result<DirectoryLocation, Halt>> {
  if (start + size > at) return refuse("directory_damaged");
  if (start + size < at) {
    // Where the directory is found when offsets are counted from a later byte, something was put in front of the archive.
    const shifted = await ranges.read(at - size, Math.min(at - size + 4, at));
    if (!shifted.ok) return shifted;
    const moved = shifted.value.length === 4 && u32(shifted.value, 0) === ENTRY;
    return refuse(moved ? "bytes_before" : "gap");
  }
  const limit = MAX_ENTRIES.toLocaleString("en");
  if (entries > MAX_ENTRIES) return fail(refused(finding("too_many_entries", entries.toLocaleString("en"), limit)));
  if (size > MAX_DIRECTORY) return fail(refused(tooLarge(size)));
  return ok({ start, size, entries });
}

const endFields = (tail: Uint8Array, at: number, tailStart: number): EndFields => ({
  at: tailStart + at,
  entries: u16(tail, at + 10),
  size: u32(tail, at + 12),
  start: u32(tail, at + 16),
});

const tooLarge = (size: number): Finding =>
  finding("directory_too_large", binarySizeInWords(size), binarySizeInWords(MAX_DIRECTORY));

const refuse = (code: FindingCode & PlainCode): Result<never, Halt> => fail(refused(finding(code)));

type PlainCode =
  | "file_empty"
  | "not_zip"
  | "truncated"
  | "bytes_after"
  | "bytes_before"
  | "several_ends"
  | "several_disks"
  | "zip64_invalid"
  | "directory_damaged"
  | "gap";
