import type { Entry } from "./central-directory.ts";
import { type Finding, finding } from "./finding.ts";
import { LOCAL_SIZE, type Placed, STREAMED } from "./local-header.ts";

/** Extra data is at most 65,535 bytes long, a descriptor 24. */
const MAX_SLACK = 65_535 + 24;
/** Tools differ in how they write local headers, but each does it one or two ways. */
const MAX_HABITS = 8;

/**
 * Proves that the entries fill the archive from its first byte to its directory without overlap or gap, from the
 * listing alone: each must end where the next begins.
 *
 * What the listing leaves open is the length of an entry's local extra data and descriptor, its slack. A writer makes it
 * the same way every time: slack minus listed extra data is a constant (16 or 24 for the servers' streaming writer).
 * Each such habit found is kept with one entry that shows it; looking at that entry's local header proves the habit, and
 * by arithmetic the place of every other entry that follows it. So a listing of 200,000 entries costs a handful of reads.
 * A local header that lies and still adds up is told by nobody's data: the servers take everything but the two lengths
 * from the listing, and wrong lengths that shift the data fail its CRC in the restore, which then changes nothing.
 */
export class Tiling<E extends Entry> {
  /** One entry per habit. */
  readonly witnesses: Placed[] = [];
  readonly #habits = new Set<string>();
  #last: E | null = null;

  /** Takes the next entry in listed order; `placed` gets the one before it, now that its end is known. */
  next(entry: E, placed: (entry: E & Placed) => void): Finding | null {
    const found = this.end(entry.offset, placed);
    this.#last = entry;
    return found;
  }

  /** The last entry must end where the directory starts. */
  end(position: number, placed: (entry: E & Placed) => void): Finding | null {
    const entry = this.#last;
    if (entry === null) return position === 0 ? null : finding("bytes_before");
    const slack = position - entry.offset - LOCAL_SIZE - entry.name.length - entry.packed;
    if (slack < 0) return finding("out_of_order");
    if (slack > MAX_SLACK) return finding("gap");
    const whole = { ...entry, slack };
    placed(whole);
    const habit = `${entry.flags & STREAMED} ${slack - entry.otherExtra}`;
    if (this.#habits.has(habit)) return null;
    if (this.#habits.size === MAX_HABITS) return finding("gap");
    this.#habits.add(habit);
    this.witnesses.push({ ...whole, name: entry.name.slice() });
    return null;
  }
}
