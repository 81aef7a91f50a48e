import type { Clock } from "../../base/clock.ts";
import { type Sleep, within } from "../../base/sleep.ts";

/** Bytes asked for at once: the knee of the curve, beyond it memory grows and time hardly falls. */
export const CHUNK = 1024 * 1024;

/** A source that says nothing for so long, in ms, counts as broken. */
export const STALL_MS = 60_000;

/** `source`: it broke, stalled or ended; `sink`: nobody takes the bytes any more; `excess`: it holds more than `limit`. */
export type Poured = { bytes: number; stopped: "full" | "source" | "sink" | "excess" };

export type PourOptions = { limit: number; clock: Clock; sleep: Sleep };

/**
 * Moves up to `limit` bytes from a byte stream into a writer and tells exactly how many the writer took, which a native
 * pipe does not. One chunk is in memory at a time; a slow sink holds the source back without counting as its failure.
 *
 * A read waits for `least` bytes, because few large reads cost half of what many small ones do; a read that breaks loses
 * what it had gathered. So `least` starts at one byte, grows while the source is quick and shrinks when it is not: every
 * source that sends anything makes progress.
 */
export async function pour(
  body: ReadableStream<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  { limit, clock, sleep }: PourOptions,
): Promise<Poured> {
  const reader = body.getReader({ mode: "byob" });
  let buffer = new Uint8Array(CHUNK);
  let least = 1;
  let bytes = 0;
  while (bytes < limit) {
    const asked = clock();
    const read = await within(STALL_MS, reader.readAtLeast(least, buffer), sleep).catch(() => null);
    if (!read?.met || !read.value.value?.byteLength) return { bytes, stopped: "source" };
    const chunk = read.value.value;
    if (bytes + chunk.byteLength > limit) return { bytes, stopped: "excess" };
    const waited = clock() - asked;
    if (waited < 250) least = Math.min(least * 8, CHUNK);
    else if (waited > 1000) least = Math.max(1, least >> 3);
    try {
      await writer.write(chunk);
    } catch {
      return { bytes, stopped: "sink" };
    }
    bytes += chunk.byteLength;
    buffer = new Uint8Array(chunk.buffer as ArrayBuffer, 0, CHUNK);
  }
  return { bytes, stopped: "full" };
}
