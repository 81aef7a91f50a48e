import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { type Halt, unread } from "./finding.ts";

/**
 * Reads the bytes `[start, end)` of one backup. It must answer exactly `end - start` bytes of the same unchanged file
 * every time (pin size and `Last-Modified` upstream), or a problem. It is never asked for more than `WINDOW` bytes.
 */
export type RangeReader = (start: number, end: number) => Promise<Result<Uint8Array, Problem>>;

/**
 * The most bytes asked for at once, 1 MiB: an inspection holds one window and its copy, whatever the archive's size.
 */
export const WINDOW = 1024 * 1024;

/**
 * One archive of `size` bytes, read piece by piece. The last piece read is kept, so that reads close together cost one
 * request.
 */
export class Ranges {
  readonly size: number;
  /** How many pieces were asked for, and their bytes together. */
  reads = 0;
  bytes = 0;
  readonly #reader: RangeReader;
  #start = 0;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(reader: RangeReader, size: number) {
    this.#reader = reader;
    this.size = size;
  }

  /**
   * The bytes `[start, end)`, at most a window, within the archive. Where they have to be fetched, `ahead` says up to
   * where it is worth fetching; the answer still ends at `end`. Valid until the next read.
   */
  async read(start: number, end: number, ahead = end): Promise<Result<Uint8Array, Halt>> {
    if (end <= start) return ok(new Uint8Array(0));
    if (start < this.#start || end > this.#start + this.#piece.length) {
      const until = Math.min(Math.max(end, ahead), start + WINDOW, this.size);
      this.reads++;
      const read = await this.#reader(start, until);
      if (!read.ok) return fail(unread(read.error));
      if (read.value.length !== until - start) return fail(unread(problem("archive_unreadable")));
      this.bytes += read.value.length;
      this.#start = start;
      this.#piece = read.value;
    }
    return ok(this.#piece.subarray(start - this.#start, end - this.#start));
  }
}
