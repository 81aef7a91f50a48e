import type { Clock } from "../../base/clock.ts";
import { type Sleep, within } from "../../base/sleep.ts";

/** Bytes asked for at once: the knee of the curve, beyond it memory grows and time hardly falls. */
export const CHUNK = 1024 * 1024;

/** A source that says nothing for so long, in ms, counts as broken. */
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
  let buffer = new Uint8Array(CHUNK);
  let least = 1;
  return {
    async next() {
      const asked = clock();
      const read = await within(STALL_MS, reader.readAtLeast(least, buffer), sleep).catch(() => null);
      if (!read?.met) return "broken";
      const chunk = read.value.value;
      if (!chunk?.byteLength) return "end";
      const waited = clock() - asked;
      if (waited < 250) least = Math.min(least * 8, CHUNK);
      else if (waited > 1000) least = Math.max(1, least >> 3);
      buffer = new Uint8Array(chunk.buffer as ArrayBuffer, 0, CHUNK);
      return chunk;
    },
    release: () => reader.releaseLock(),
  };
}
