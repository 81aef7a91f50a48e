import type { Clock } from "../base/clock.ts";
import { type Sleep, within } from "../base/sleep.ts";
import { chunksOf } from "./chunks.ts";

/** Of a body that nobody wanted, as Go's `net/http` reads before it answers. */
export const UNWANTED_BYTES = 256 * 1024;
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_MS = 5_000;

/**
 * Reads the rest of a request's body and drops it, up to `most` bytes (64 MiB) or 5 s. Most clients look at the answer only when
 * they have sent everything; one whose connection closes before that reports a reset instead of the refusal.
 */
export async function drain(
  body: ReadableStream<Uint8Array> | null,
  clock: Clock,
  sleep: Sleep,
  most = MOST_BYTES,
): Promise<void> {
  if (body === null || body.locked) return;
  const source = chunksOf(body, clock, sleep);
  const until = clock() + MOST_MS;
  let bytes = 0;
  for (let now = clock(); bytes < most && now < until; now = clock()) {
    const read = await within(until - now, source.next(), sleep);
    if (!read.met || typeof read.value === "string") return;
    bytes += read.value.byteLength;
  }
}
