import type { Clock } from "../base/clock.ts";
import type { Sleep } from "../base/sleep.ts";
import { stallWatch } from "./stall-watch.ts";

/** Bytes asked for at once where one buffer serves all reads: beyond it memory grows and time hardly falls. */
export const CHUNK = 1024 * 1024;

/** The most that a read into the one buffer waits for: a source that sends this much a minute (8.6 KiB/s) never stalls. */
const SHARED_LEAST = 512 * 1024;

/** Least memory of a chunk that has its own, in bytes. */
const SMALL = 64 * 1024;

type Chunks = {
  /** The next bytes, never none; `end` after the last, `broken` when the source errors or stalls. */
  next(): Promise<Uint8Array<ArrayBuffer> | "end" | "broken">;
  /** The bytes that the next read waits for; another source from the same server may start with it (`first`). */
  readonly least: number;
  /** Leaves the rest of the source to others. */
  release(): void;
};

/**
 * Reads a byte stream in few large chunks, one in memory at a time. Few large reads cost half of what many small ones do,
 * but a read that breaks loses what it had gathered: so the least that a read waits for starts at `first` bytes, grows
 * while the source is quick and shrinks when it is not, and a source that sends anything at all makes progress.
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
  /** Ends the wait of the read under way; null between reads. */
  let giveUp: (() => void) | null = null;
  // Too little in a minute is less than the read under way waits for, `least`.
  const watch = stallWatch(sleep, over.signal, () => giveUp?.());
  /** Where the next bytes go. Made only when they are asked for, so that a source whose sink is slow holds no buffer. */
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
      watch.begin();
    });

  return {
    async next() {
      const asked = clock();
      const found = await read();
      giveUp = null;
      watch.end();
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
