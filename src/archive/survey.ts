import type { Entry } from "./central-directory.ts";
import { binarySizeInWords, quotedName, readName } from "./entry-name.ts";
import { type Finding, finding } from "./finding.ts";
import { ENCRYPTED, type PlacedEntry } from "./local-header.ts";
import { Names, type ServerFile, serverFile } from "./names.ts";
import { Tiling } from "./tiling.ts";

/** Unpacked, no archive may take more: 1 TiB. */
const MAX_UNPACKED = 1024 ** 4;
/** Nor more than this many times its packed size, once that is over a gibibyte. Databases pack 2 to 20 times. */
const MAX_RATIO = 200;
/** Deflate cannot do better than 1032 : 1, so a listing that says so is wrong. */
const DEFLATE_LIMIT = 1032;
const GIB = 1024 ** 3;

/**
 * Takes an archive's entries in listed order, once, and keeps only what the findings need: the names for comparing, the
 * server's own files, the entries whose local headers are to be compared, and sums. With `keepAll` that is every entry:
 * for archives small enough to be read whole.
 */
export class Survey {
  readonly names = new Names();
  readonly serverFiles = new Map<ServerFile, PlacedEntry>();
  readonly toCompare: PlacedEntry[];
  packed = 0;
  unpacked = 0;
  /** The newest time of a file in it, ms since the epoch; null when none is stated. */
  newest: number | null = null;
  readonly #keepAll: boolean;
  readonly #tiling = new Tiling<Entry & { role: ServerFile | null }>();

  constructor(keepAll: boolean) {
    this.#keepAll = keepAll;
    this.toCompare = keepAll ? [] : this.#tiling.samples;
  }

  /**
   * A finding says that the archive's structure is broken and reading on is useless; defects of names are collected.
   */
  add(entry: Entry): Finding | null {
    const name = readName(entry.name);
    const role = serverFile(name, entry.kind);
    this.packed += entry.packed;
    this.unpacked += entry.unpacked;
    this.names.add(name, entry.kind);
    if (entry.kind === "file" && entry.time !== null) this.newest = Math.max(entry.time, this.newest ?? entry.time);
    return packing(entry, name.text) ?? this.#tiling.next({ ...entry, role }, this.#keep);
  }

  /** After the last entry. `position` is where the directory starts. */
  end(position: number): Finding | null {
    const found = this.#tiling.end(position, this.#keep);
    if (found) return found;
    if (this.unpacked > MAX_UNPACKED) {
      return finding("unpacked_too_large", binarySizeInWords(this.unpacked), binarySizeInWords(MAX_UNPACKED));
    }
    const bomb = this.unpacked > GIB && this.unpacked > this.packed * MAX_RATIO;
    return bomb ? finding("bomb", binarySizeInWords(this.unpacked), binarySizeInWords(this.packed)) : null;
  }

  readonly #keep = (placed: PlacedEntry & { role: ServerFile | null }): void => {
    if (placed.role === null && !this.#keepAll) return;
    const kept = { ...placed, name: placed.name.slice() };
    if (placed.role) this.serverFiles.set(placed.role, kept);
    if (this.#keepAll) this.toCompare.push(kept);
  };
}

/** Whether an entry is packed in a way that servers can unpack and that adds up. */
function packing(entry: Entry, name: string): Finding | null {
  if (entry.flags & ENCRYPTED) return finding("encrypted", quotedName(name));
  if (entry.method !== 0 && entry.method !== 8) return finding("method_unknown", quotedName(name), `${entry.method}`);
  if (entry.kind === "folder" && entry.unpacked > 0) return finding("header_differs", quotedName(name));
  if (entry.method === 0 && entry.packed !== entry.unpacked) return finding("header_differs", quotedName(name));
  if (entry.unpacked > (entry.packed + 1) * DEFLATE_LIMIT) {
    return finding("bomb", binarySizeInWords(entry.unpacked), binarySizeInWords(entry.packed));
  }
  return null;
}
