import { createHash } from "node:crypto";
import { fail, ok, type Result } from "../base/result.ts";
import type { DirectoryLocation } from "./end-record.ts";
import { entryTime } from "./entry-time.ts";
import { type Finding, finding, type Halt, refused } from "./finding.ts";
import { u16, u32 } from "./little-endian.ts";
import { type Ranges, WINDOW } from "./ranges.ts";
import { readExtra } from "./zip64.ts";

/** One file or folder as the table of contents lists it. Sizes and the offset of its local header are in bytes. */
export type Entry = {
  /** The raw name; a view into a window, copy it to keep it. */
  name: Uint8Array;
  flags: number;
  method: number;
  crc: number;
  packed: number;
  unpacked: number;
  offset: number;
  /** Length of its extra data without a ZIP64 block: what the writer also puts into the local header. */
  otherExtra: number;
  kind: "file" | "folder" | "special";
  /** When it was changed last, ms since the epoch; null when the listing states no time. */
  time: number | null;
};

const ENTRY = 0x02014b50;
const ENTRY_SIZE = 46;

/**
 * Reads the table of contents window by window (APPNOTE 6.3.10 §4.3.12), hands each entry to `visit` in its order, and
 * answers the SHA-256 (hex) of all its bytes. `visit` ends the reading with a finding. Holds at most two windows.
 */
export async function readDirectory(
  ranges: Ranges,
  directory: DirectoryLocation,
  visit: (entry: Entry) => Finding | null,
): Promise<Result<string, Halt>> {
  const hash = createHash("sha256");
  const end = directory.start + directory.size;
  let rest: Uint8Array = new Uint8Array(0);
  let seen = 0;
  for (let position = directory.start; position < end; ) {
    const window = await ranges.read(position, Math.min(position + WINDOW, end));
    if (!window.ok) return window;
    hash.update(window.value);
    position += window.value.length;
    const bytes = joined(rest, window.value);
    let at = 0;
    while (at + ENTRY_SIZE <= bytes.length) {
      if (u32(bytes, at) !== ENTRY) return damaged();
      const next = at + ENTRY_SIZE + u16(bytes, at + 28) + u16(bytes, at + 30) + u16(bytes, at + 32);
      if (next > bytes.length) break;
      const entry = readEntry(bytes, at);
      if (entry === null || ++seen > directory.entries) return damaged();
      const found = visit(entry);
      if (found) return fail(refused(found));
      at = next;
    }
    rest = bytes.slice(at);
  }
  if (rest.length > 0 || seen !== directory.entries) return damaged();
  return ok(hash.digest("hex"));
}

function readEntry(bytes: Uint8Array, at: number): Entry | null {
  const nameEnd = at + ENTRY_SIZE + u16(bytes, at + 28);
  const extra = bytes.subarray(nameEnd, nameEnd + u16(bytes, at + 30));
  const extents = readExtra(extra, {
    packed: u32(bytes, at + 20),
    unpacked: u32(bytes, at + 24),
    offset: u32(bytes, at + 42),
  });
  if (extents === null || u16(bytes, at + 34) !== 0) return null;
  const name = bytes.subarray(at + ENTRY_SIZE, nameEnd);
  return {
    name,
    flags: u16(bytes, at + 8),
    method: u16(bytes, at + 10),
    crc: u32(bytes, at + 16),
    ...extents,
    kind: kindOf(name, bytes[at + 5]!, u32(bytes, at + 38)),
    time: entryTime(extra, u16(bytes, at + 12), u16(bytes, at + 14)),
  };
}

/** Systems an entry may say it was packed on (high byte of "version made by"): FAT, NTFS, VFAT; Unix, macOS. */
const DOS_SYSTEMS = [0, 11, 14];
const UNIX_SYSTEMS = [3, 19];
/** Highest four bits of a Unix mode: pipe, character device, block device, link, socket. */
const SPECIAL_TYPES = [1, 2, 6, 10, 12];

/** As the servers' reader decides it (Go `archive/zip/struct.go` Mode): a trailing slash, a Unix mode or the DOS folder bit. */
function kindOf(name: Uint8Array, system: number, attributes: number): Entry["kind"] {
  if (name[name.length - 1] === 0x2f) return "folder";
  if (DOS_SYSTEMS.includes(system)) return attributes & 0x10 ? "folder" : "file";
  if (!UNIX_SYSTEMS.includes(system)) return "file";
  const type = attributes >>> 28;
  return type === 4 ? "folder" : SPECIAL_TYPES.includes(type) ? "special" : "file";
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

const damaged = (): Result<never, Halt> => fail(refused(finding("directory_damaged")));
