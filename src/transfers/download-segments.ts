import { patience } from "../http/patience.ts";
import { lengthOf, type Window } from "../http/range.ts";
import type { DownloadCall, TransferEnd } from "./download-call.ts";
import { openRange, TRIES } from "./download-healed.ts";
import type { Piece } from "./download-piece.ts";

const SMALLEST_PIECE = 64 * 1024 * 1024;

/** Cloudflare's Free plan allows a request 50 subrequests; some are left for everything else. */
const MOST_PIECES = 40;

/** Bytes per piece for a file or window of `length` bytes. */
export const pieceLength = (length: number): number => Math.max(SMALLEST_PIECE, Math.ceil(length / MOST_PIECES));

/** The first piece of a window. */
export const firstPiece = (window: Window): Window => ({
  ...window,
  end: Math.min(window.end, window.start + pieceLength(lengthOf(window)) - 1),
});

/**
 * Passes the window on in pieces, each one request with a file token of its own and piped by the runtime, so that no
 * piece meets the server's five-minute cut and hardly any code runs. A piece that does not start is tried again; one that
 * breaks has passed on nobody knows how much, and so ends the transfer.
 */
export async function pipeSegments(
  call: DownloadCall,
  first: Piece,
  window: Window,
  date: string,
  writable: WritableStream<Uint8Array>,
  gone: AbortSignal,
): Promise<TransferEnd> {
  const step = pieceLength(lengthOf(window));
  let bytes = 0;
  let piece = first;
  for (;;) {
    const start = window.start + bytes;
    const end = Math.min(window.end, start + step - 1);
    try {
      await piece.response.body!.pipeTo(writable, { preventClose: true, preventAbort: true, signal: gone });
    } catch {
      piece.close();
      return gone.aborted ? { bytes, outcome: "client_gone" } : { bytes, outcome: "failed", reason: "transfer_cut" };
    }
    bytes += end - start + 1;
    if (end === window.end) return { bytes, outcome: "complete" };
    const next = { ...window, start: end + 1, end: Math.min(window.end, end + step) };
    const opened = await openRange(call, next, date, patience(TRIES, call.sleep, call.random, gone), gone);
    if (gone.aborted) return { bytes, outcome: "client_gone" };
    if (!opened.ok) return { bytes, outcome: "failed", reason: opened.error.code };
    piece = opened.value;
  }
}
