import type { Clock } from "../../base/clock.ts";
import type { Sleep } from "../../base/sleep.ts";

/** Bytes asked for at once: the knee of the curve, beyond it memory grows and time hardly falls. */
export const CHUNK = 1024 * 1024;

/** A source that says nothing for so long, in ms, counts as broken, at the latest after twice that. */
export const STALL_MS = 60_000;

export type Chunks = {
  /**
   * The next bytes, never none; `end` after the last, `broken` when the source errors or stalls. The bytes share one
   * buffer and hold until the next call.
   */
  next(): Promise<Uint8Array | "end" | "broken">;
  /** Leaves the rest of the source to others. */
  release(): void;
};

/**
 * Reads a byte stream in few large chunks, one of at most `CHUNK` bytes in memory at a time. Few large reads cost half of
 * what many small ones do, but a read that breaks loses what it had gathered: so the least that a read waits for starts at
 * one byte, grows while the source is quick and shrinks when it is not, and every source that sends anything gets on.
 */
export function chunksOf(body: ReadableStream<Uint8Array>, clock: Clock, sleep: Sleep): Chunks {
  const reader = body.getReader({ mode: "byob" });
  const over = new AbortController();
  let buffer = new Uint8Array(CHUNK);
  let least = 1;
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
  const read = () =>
    new Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>> | null>((resolve) => {
      giveUp = () => resolve(null);
      reader.readAtLeast(least, buffer).then(resolve, giveUp);
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
      if (waited < 250) least = Math.min(least * 8, CHUNK);
      else if (waited > 1000) least = Math.max(1, least >> 3);
      buffer = new Uint8Array(chunk.buffer as ArrayBuffer, 0, CHUNK);
      return chunk;
    },
    release() {
      over.abort();
      reader.releaseLock();
    },
  };
}
