import type { Clock } from "../base/clock.ts";
import type { Sleep } from "../base/sleep.ts";

/** Bytes asked for at once where one buffer serves all reads: beyond it memory grows and time hardly falls. */
export const CHUNK = 1024 * 1024;

/** The most that a read into the one buffer waits for: whoever sends so much a minute (8.6 KiB/s) is never given up. */
const SHARED_LEAST = 512 * 1024;

/**
 * A source that says too little for so long, in ms, counts as broken, at the latest after twice that. Too little is less
 * than the read under way waits for: what comes in falls under that only where a quick source becomes a very slow one.
 */
export const STALL_MS = 60_000;

/** A kept chunk has at least so much memory. */
const SMALL = 64 * 1024;

export type Chunks = {
  /** The next bytes, never none; `end` after the last, `broken` when the source errors or stalls. */
  next(): Promise<Uint8Array<ArrayBuffer> | "end" | "broken">;
  /** What the next read waits for, bytes: a source like this one may begin with it. */
  readonly least: number;
  /** Leaves the rest of the source to others. */
  release(): void;
};

/**
 * Reads a byte stream in few large chunks, one in memory at a time. Few large reads cost half of what many small ones do,
 * but a read that breaks loses what it had gathered: so the least that a read waits for starts at `first` bytes, grows
 * while the source is quick and shrinks when it is not, and every source that sends anything gets on.
 *
 * The chunks share one buffer of `CHUNK` bytes and hold until the next call, unless `room` tells how many bytes the next
 * one may have (64 KiB at the least): then each has memory of its own.
 */
export function chunksOf(
  body: ReadableStream<Uint8Array>,
  clock: Clock,
  sleep: Sleep,
  room?: () => number,
  first = 1,
): Chunks {
  const reader = body.getReader({ mode: "byob" });
  const over = new AbortController();
  let least = first;
  let most = SHARED_LEAST;
  let shared: Uint8Array<ArrayBuffer> | null = null;
  let reads = 0;
  let watched = false;
  /** Ends the wait of the read under way; null between reads. */
  let giveUp: (() => void) | null = null;

  /** One watch for all reads: a timer for each would cost as much as the read. */
  const watch = async () => {
    watched = true;
    let before: number;
    do {
      before = reads;
      await sleep(STALL_MS, over.signal);
    } while (reads !== before && giveUp !== null && !over.signal.aborted);
    watched = false;
    if (reads === before) giveUp?.();
  };
  /** Where the next bytes go. Only now is it made: a source that waits for a slow sink holds none. */
  const target = (): Uint8Array<ArrayBuffer> => {
    if (!room) return shared ?? new Uint8Array(CHUNK);
    most = Math.max(SMALL, Math.floor(room()));
    least = Math.min(least, most);
    return new Uint8Array(Math.max(least, SMALL));
  };
  const read = () =>
    new Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>> | null>((resolve) => {
      giveUp = () => resolve(null);
      const into = target();
      reader.readAtLeast(least, into).then(resolve, giveUp);
      reads++;
      if (!watched) void watch();
    });

  return {
    async next() {
      const asked = clock();
      const found = await read();
      giveUp = null;
      const chunk = found?.value;
      if (!chunk?.byteLength) {
        over.abort();
        return found ? "end" : "broken";
      }
      const waited = clock() - asked;
      if (waited < 250) least = Math.min(least * 8, most);
      else if (waited > 1000) least = Math.max(1, least >> 3);
      if (!room) shared = new Uint8Array(chunk.buffer, 0, CHUNK);
      return chunk;
    },
    get least() {
      return least;
    },
    release() {
      over.abort();
      reader.releaseLock();
    },
  };
}
