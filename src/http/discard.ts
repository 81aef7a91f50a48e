import type { Clock } from "../base/clock.ts";
import { type Sleep, within } from "../base/sleep.ts";
import { chunksOf } from "./chunks.ts";

/** Bytes read of a body that no handler asked for, as many as Go's `net/http` reads before it answers. */
export const UNWANTED_BYTES = 256 * 1024;
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_MS = 5_000;

/**
 * Reads the rest of a request's body and discards it, up to `most` bytes (64 MiB) or 5 s. Most clients read the answer only
 * after they have sent everything; when the connection closes before that they report a reset instead of the refusal.
 */
export async function discardBody(
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
