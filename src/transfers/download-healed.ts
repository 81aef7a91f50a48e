import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { chunksOf } from "../http/chunks.ts";
import { lengthOf } from "../http/range.ts";
import type { DownloadCall, TransferEnd } from "./download-call.ts";
import type { Begun } from "./download-first.ts";
import { laterRetries, openRange, type Piece } from "./download-open.ts";
import type { Retries } from "./retries.ts";

/** What counts as progress: this many bytes from one connection, or any at all after it lived this long. */
const PROGRESS_BYTES = 64 * 1024;
const PROGRESS_MS = 60_000;

/** When no more than this is left of a piece, the next one is opened, so that opening it costs no time. */
const AHEAD_BYTES = 4 * 1024 * 1024;

type HealedChunks = {
  /** The next bytes, each chunk with memory of its own, or how the transfer ended. */
  next(): Promise<Uint8Array<ArrayBuffer> | TransferEnd>;
  /** Ends the transfer before its last byte, and the server's answer with it. */
  end(how: Omit<TransferEnd, "bytes">): TransferEnd;
  /** Bytes given out so far. */
  given(): number;
};

/**
 * The window's bytes in order, fetched in pieces of `step` bytes. Whenever the server's body breaks or ends early the file
 * is opened again at the exact byte (PocketBase cuts every transfer after five minutes, and a restart cuts it at once). The
 * chunks end when all were given, when the client is gone, or when the file cannot be had any more: changed, key revoked, no
 * retry left. `room` as in `chunksOf`.
 */
export function healedChunks(
  call: DownloadCall,
  { piece: first, held, window, date, step }: Begun,
  gone: AbortSignal,
  room: () => number,
): HealedChunks {
  const length = lengthOf(window);
  const tries = laterRetries(call, gone);
  let given = 0;
  const read = (piece: Piece, upto: number, least?: number) => ({
    piece,
    source: chunksOf(piece.response.body!, call.clock, call.sleep, room, least),
    since: call.clock(),
    from: given,
    upto,
  });
  let current = read(first, held);
  /** The next piece, opened while the end of the current one comes in. */
  let ahead: Promise<Result<Piece, Problem>> | null = null;

  const pieceEnd = (from: number) => Math.min(from + step, length);
  const open = (from: number, upto: number, tries: Retries) =>
    openRange(call, { ...window, start: window.start + from, end: window.start + upto - 1 }, date, tries, gone);

  const ended = (end: Omit<TransferEnd, "bytes">): TransferEnd => {
    current.piece.close();
    ahead?.then((unread) => unread.ok && unread.value.close()).catch(() => {});
    return { bytes: given, ...end };
  };

  const nextPiece = async () => {
    const opened = await (ahead ?? open(given, pieceEnd(given), laterRetries(call, gone)));
    ahead = null;
    if (opened.ok) current = read(opened.value, pieceEnd(given), current.source.least);
    return opened;
  };

  const restOfPiece = async () => {
    const [got, lived] = [given - current.from, call.clock() - current.since];
    if (got >= PROGRESS_BYTES || (got > 0 && lived >= PROGRESS_MS)) tries.renew();
    if (!(await tries.next())) return fail(problem("transfer_cut"));
    const opened = await open(given, current.upto, tries);
    if (opened.ok) current = read(opened.value, current.upto);
    return opened;
  };

  /** Opens what comes next: the next piece, or the rest of one that broke. Null when that worked. */
  const goOn = async (): Promise<TransferEnd | null> => {
    current.piece.close();
    if (gone.aborted) return ended({ outcome: "client_gone" });
    const opened = await (given === current.upto ? nextPiece() : restOfPiece());
    if (gone.aborted) return ended({ outcome: "client_gone" });
    return opened.ok ? null : ended({ outcome: "failed", reason: opened.error.code });
  };

  return {
    given: () => given,
    end: ended,
    async next() {
      if (given === length) return ended({ outcome: "complete" });
      for (;;) {
        const chunk = given < current.upto ? await current.source.next() : "end";
        if (typeof chunk === "string") {
          const end = await goOn();
          if (end) return end;
          continue;
        }
        if (given + chunk.byteLength > current.upto) return ended({ outcome: "failed", reason: "upstream_invalid" });
        given += chunk.byteLength;
        if (given === current.upto) current.source.release();
        if (!ahead && current.upto < length && current.upto - given <= AHEAD_BYTES) {
          ahead = open(current.upto, pieceEnd(current.upto), laterRetries(call, gone));
          // `nextPiece` handles a rejection; until it awaits this promise, the rejection must not count as unhandled.
          ahead.catch(() => {});
        }
        return chunk;
      }
    },
  };
}
