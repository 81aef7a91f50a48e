import { inflateRawSync } from "node:zlib";
import { type Entry, readDirectory } from "../../../src/archive/central-directory.ts";
import { findDirectory } from "../../../src/archive/end-record.ts";
import { Ranges } from "../../../src/archive/ranges.ts";
import { readerOf } from "./reader.ts";
import type { ZipFile } from "./zip.ts";

/** The files of a sound archive, unpacked, in listed order. */
export async function unzip(bytes: Uint8Array): Promise<(ZipFile & { data: Uint8Array })[]> {
  const ranges = new Ranges(readerOf(bytes), bytes.length);
  const directory = await findDirectory(ranges);
  if (!directory.ok) throw new Error("no archive");
  const entries: Entry[] = [];
  const read = await readDirectory(ranges, directory.value, (entry) => {
    entries.push(entry);
    return null;
  });
  if (!read.ok) throw new Error("no directory");
  return entries.map((entry) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + entry.offset);
    const start = entry.offset + 30 + view.getUint16(26, true) + view.getUint16(28, true);
    const packed = bytes.subarray(start, start + entry.packed);
    return { name: new TextDecoder().decode(entry.name), data: entry.method === 8 ? inflateRawSync(packed) : packed };
  });
}
