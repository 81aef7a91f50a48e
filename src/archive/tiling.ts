import type { Entry } from "./central-directory.ts";
import { type Finding, finding } from "./finding.ts";
import { LOCAL_SIZE, type PlacedEntry, STREAMED } from "./local-header.ts";

/** Extra data is at most 65,535 bytes long, a descriptor 24. */
const MAX_SLACK = 65_535 + 24;
/** Tools differ in how they write local headers, but each writes them in one or two layouts. */
const MAX_LAYOUTS = 8;

/**
 * Proves that the entries fill the archive from its first byte to its directory without overlap or gap, from the
 * listing alone: each must end where the next begins.
 *
 * What the listing leaves open is the length of an entry's local extra data and descriptor, its slack. A writer makes
 * it the same way every time: slack minus listed extra data is a constant (16 or 24 for the servers' streaming writer).
 * Each such layout is kept with one entry that has it. Comparing that entry's local header proves the layout, and by
 * arithmetic the position of every other entry with it. So a listing of 200,000 entries costs a handful of reads. A
 * local header that was not compared may be false. That does no harm: the servers take everything but two lengths from
 * the listing, and false lengths shift the data, which then fails its CRC in the restore and changes nothing.
 */
export class Tiling<E extends Entry> {
  /** One entry per layout, for comparing its local header. */
  readonly samples: PlacedEntry[] = [];
  readonly #layouts = new Set<string>();
  #last: E | null = null;

  /** Takes the next entry in listed order; `placed` gets the one before it, now that its end is known. */
  next(entry: E, placed: (entry: E & PlacedEntry) => void): Finding | null {
    const found = this.end(entry.offset, placed);
    this.#last = entry;
    return found;
  }

  /** The last entry must end where the directory starts. */
  end(position: number, placed: (entry: E & PlacedEntry) => void): Finding | null {
    const entry = this.#last;
    if (entry === null) return position === 0 ? null : finding("bytes_before");
    const slack = position - entry.offset - LOCAL_SIZE - entry.name.length - entry.packed;
    if (slack < 0) return finding("out_of_order");
    if (slack > MAX_SLACK) return finding("gap");
    const whole = { ...entry, slack };
    placed(whole);
    const layout = `${entry.flags & STREAMED} ${slack - entry.otherExtra}`;
    if (this.#layouts.has(layout)) return null;
    if (this.#layouts.size === MAX_LAYOUTS) return finding("gap");
    this.#layouts.add(layout);
    this.samples.push({ ...whole, name: entry.name.slice() });
    return null;
  }
}
