import { createHash } from "node:crypto";

/** Bytes of a backup that can be read anywhere without holding them all. */
export type Content = {
  size: number;
  /** At most `length` bytes from `offset`; fewer at the end. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
};

const PIECE = 64 * 1024;

export const literal = (bytes: Uint8Array<ArrayBuffer>): Content => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

/**
 * `size` bytes that depend only on `seed` and position: one noise block, stamped with its number at every repetition, so
 * that a block lost, doubled or out of place changes the hash. Starts like a ZIP. A gibibyte costs no memory.
 */
export function generated(seed: number, size: number): Content {
  const noise = new Uint8Array(PIECE);
  let state = (seed | 0) ^ 0x9e3779b9 || 1;
  for (let at = 0; at < PIECE; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    noise[at] = state;
  }
  const block = (number: number): Uint8Array<ArrayBuffer> => {
    const bytes = noise.slice();
    new DataView(bytes.buffer).setUint32(8, number);
    if (number === 0) bytes.set([0x50, 0x4b, 3, 4]);
    return bytes;
  };
  return {
    size,
    read(offset, length) {
      const end = Math.min(size, offset + length);
      const bytes = new Uint8Array(Math.max(0, end - offset));
      for (let at = offset; at < end; ) {
        const within = at % PIECE;
        const part = block((at - within) / PIECE).subarray(within, Math.min(PIECE, within + end - at));
        bytes.set(part, at - offset);
        at += part.length;
      }
      return bytes;
    },
  };
}

export const wholeOf = (content: Content): Uint8Array<ArrayBuffer> => content.read(0, content.size);

export function sha256Of(content: Content): string {
  const hash = createHash("sha256");
  for (let at = 0; at < content.size; at += PIECE * 16) hash.update(content.read(at, PIECE * 16));
  return hash.digest("hex");
}

/** The bytes `start` to `end` (exclusive) as they are asked for, in pieces of 256 KiB. */
export function streamOf(content: Content, start: number, end: number): ReadableStream<Uint8Array> {
  let at = start;
  return new ReadableStream({
    pull(controller) {
      const bytes = content.read(at, Math.min(PIECE * 4, end - at));
      at += bytes.length;
      if (bytes.length > 0) controller.enqueue(bytes);
      if (at >= end) controller.close();
    },
  });
}
