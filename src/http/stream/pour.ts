import type { Chunks } from "./chunks.ts";

/** `source`: it broke, stalled or ended; `sink`: nobody takes the bytes any more; `excess`: there are more than `limit`. */
export type Poured = { bytes: number; stopped: "full" | "source" | "sink" | "excess" };

/**
 * Moves up to `limit` bytes into a writer and tells exactly how many it took, which a native pipe does not. A slow sink
 * holds the source back and never counts as the source's failure.
 */
export async function pour(
  source: Chunks,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  limit: number,
): Promise<Poured> {
  let bytes = 0;
  while (bytes < limit) {
    const chunk = await source.next();
    if (typeof chunk === "string") return { bytes, stopped: "source" };
    if (bytes + chunk.byteLength > limit) return { bytes, stopped: "excess" };
    try {
      await writer.write(chunk);
    } catch {
      return { bytes, stopped: "sink" };
    }
    bytes += chunk.byteLength;
  }
  return { bytes, stopped: "full" };
}
