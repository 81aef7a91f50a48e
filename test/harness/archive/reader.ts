import { type RangeReader, WINDOW } from "../../../src/archive/ranges.ts";
import { problem } from "../../../src/base/problem.ts";
import { fail, ok } from "../../../src/base/result.ts";

export type CountingReader = RangeReader & { reads: { start: number; end: number }[] };

/** Reads an archive in memory, and throws when it is asked for something it must never be asked for. */
export function readerOf(bytes: Uint8Array): CountingReader {
  const reads: { start: number; end: number }[] = [];
  const read: RangeReader = async (start, end) => {
    if (!(Number.isSafeInteger(start) && 0 <= start && start < end && end <= bytes.length && end - start <= WINDOW)) {
      throw new Error(`asked for [${start}, ${end}) of ${bytes.length}`);
    }
    reads.push({ start, end });
    return ok(bytes.slice(start, end));
  };
  return Object.assign(read, { reads });
}

/** Answers a problem from the given read on. */
export function failingReader(bytes: Uint8Array, from: number): RangeReader {
  const read = readerOf(bytes);
  return async (start, end) => (read.reads.length >= from ? fail(problem("upstream_unreachable")) : read(start, end));
}
