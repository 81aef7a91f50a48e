import type { Clock } from "../../base/clock.ts";
import type { Sleep } from "../../base/sleep.ts";
import { chunksOf } from "./chunks.ts";

const MOST_BYTES = 64 * 1024 * 1024;
const MOST_MS = 5_000;

/**
 * Reads the rest of a refused request's body and drops it, up to 64 MiB or 5 s. Most clients look at the answer only when
 * they have sent everything; one whose connection closes before that reports a reset instead of the refusal.
 */
export async function drain(body: ReadableStream<Uint8Array> | null, clock: Clock, sleep: Sleep): Promise<void> {
  if (body === null || body.locked) return;
  const source = chunksOf(body, clock, sleep);
  const until = clock() + MOST_MS;
  let bytes = 0;
  while (bytes < MOST_BYTES && clock() < until) {
    const chunk = await source.next();
    if (typeof chunk === "string") return;
    bytes += chunk.byteLength;
  }
}
