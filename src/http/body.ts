import { fromUtf8 } from "../base/encoding.ts";

/**
 * Reads a body piece by piece into `take`, its first `most` bytes and no more; the rest is canceled. Returns how many came:
 * fewer than `most` when the body ended before, or when `until` aborted. Rejects when the connection breaks.
 */
export async function readPieces(
  body: ReadableStream<Uint8Array> | null,
  most: number,
  take: (piece: Uint8Array) => void,
  until?: AbortSignal,
): Promise<number> {
  if (!body) return 0;
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => undefined);
  until?.addEventListener("abort", cancel);
  let size = 0;
  try {
    while (size < most) {
      const { done, value } = await reader.read();
      if (done) return size;
      const piece = value.byteLength > most - size ? value.subarray(0, most - size) : value;
      take(piece);
      size += piece.byteLength;
    }
    cancel();
    return size;
  } finally {
    until?.removeEventListener("abort", cancel);
  }
}

/**
 * A whole request body of at most `limit` bytes. Null when it is larger: the rest is not read. For small bodies only:
 * all of it is held in memory.
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array | null> {
  if (Number(request.headers.get("content-length") ?? 0) > limit) return null;
  const pieces: Uint8Array[] = [];
  // One byte beyond the limit tells a larger body from one that just fits.
  const size = await readPieces(request.body, limit + 1, (piece) => pieces.push(piece));
  return size > limit ? null : joined(pieces);
}

/** A body as text, or null when it is longer than `limit` bytes: the rest is not read. */
export async function readText(body: ReadableStream<Uint8Array> | null, limit: number): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  const size = await readPieces(body, limit + 1, (piece) => {
    text += decoder.decode(piece, { stream: true });
  });
  return size > limit ? null : text + decoder.decode();
}

/** Pieces as one array; a single one is not copied. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.byteLength, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.byteLength;
  }
  return whole;
}

/** Undefined when the text is no JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}

/** Whether a body has no content coding such as gzip (RFC 9110 §8.4). */
export const isUnencoded = (headers: Headers): boolean => /^(identity)?$/i.test(headers.get("Content-Encoding") ?? "");
