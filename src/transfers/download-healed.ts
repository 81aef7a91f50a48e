import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { chunksOf } from "../http/chunks.ts";
import { type Patience, patience } from "../http/patience.ts";
import { lengthOf, rangeHeader, type Window } from "../http/range.ts";
import type { DownloadCall, TransferEnd } from "./download-call.ts";
import { checkPiece } from "./download-check.ts";
import { type Attempt, openPiece, type Piece, persist } from "./download-piece.ts";

/** Tries without progress before a transfer is given up: about half a minute of waiting. */
export const TRIES = 8;

/** What counts as progress: this many bytes from one connection, or any after it lived this long. */
const PROGRESS_BYTES = 64 * 1024;
const PROGRESS_MS = 60_000;

/** With so much of a piece to come the next one is opened: what that takes then costs no time. */
const AHEAD_BYTES = 4 * 1024 * 1024;

/**
 * Opens one stretch of the file as it was at `date` (its `Last-Modified`, the only version PocketBase tells), with as
 * many tries as patience allows. A file that has changed meanwhile is a refusal.
 */
export function openRange(
  call: DownloadCall,
  window: Window,
  date: string,
  tries: Patience,
  gone: AbortSignal,
): Promise<Result<Piece, Problem>> {
  const headers = { Range: rangeHeader(window.start, window.end), "If-Range": date };
  return persist(async (refused): Promise<Attempt<Piece>> => {
    const opened = await openPiece(call, "GET", headers, refused, gone);
    if (!opened.done) return opened;
    const checked = checkPiece(window, date, opened.value.response);
    if (checked.ok) return opened;
    opened.value.close();
    return { done: false, problem: checked.error, again: false, refused: false };
  }, tries);
}

/**
 * The file version a transfer began with: its window and its `Last-Modified`, which every later piece must show. The first
 * piece holds `held` bytes of the window: all of it where a server knows no ranges, however large.
 */
export type Begun = { piece: Piece; held: number; window: Window; date: string };

export type HealedChunks = {
  /** The next bytes, each with memory of its own, or how it ended. */
  next(): Promise<Uint8Array<ArrayBuffer> | TransferEnd>;
  /** Bytes handed out so far. */
  given(): number;
};

/**
 * The window's bytes in order, fetched in pieces of `step` bytes, the file re-opened at the exact byte whenever the
 * server's body breaks or ends early (PocketBase cuts every transfer after five minutes, and a restart cuts it at once).
 * They end when all were given, the client is gone, or the file cannot be had any more: changed, key revoked, no progress
 * in `TRIES` tries. `room` as `chunksOf` has it.
 */
export function healedChunks(
  call: DownloadCall,
  { piece: first, held, window, date }: Begun,
  step: number,
  gone: AbortSignal,
  room: () => number,
): HealedChunks {
  const length = lengthOf(window);
  const fresh = () => patience(TRIES, call.sleep, call.random, gone);
  const tries = fresh();
  let given = 0;
  const read = (piece: Piece, upto: number, least?: number) => ({
    piece,
    source: chunksOf(piece.response.body!, call.clock, call.sleep, room, least),
    since: call.clock(),
    from: given,
    upto,
  });
  let current = read(first, held);
  /** Opened while the end of the one before it comes in. */
  let ahead: Promise<Result<Piece, Problem>> | null = null;

  const pieceEnd = (from: number) => Math.min(from + step, length);
  const open = (from: number, upto: number, patience: Patience) =>
    openRange(call, { ...window, start: window.start + from, end: window.start + upto - 1 }, date, patience, gone);

  const ended = (end: Omit<TransferEnd, "bytes">): TransferEnd => {
    current.piece.close();
    ahead?.then((unread) => unread.ok && unread.value.close()).catch(() => {});
    return { bytes: given, ...end };
  };

  const nextPiece = async () => {
    const opened = await (ahead ?? open(given, pieceEnd(given), fresh()));
    ahead = null;
    if (opened.ok) current = read(opened.value, pieceEnd(given), current.source.least);
    return opened;
  };

  const restOfPiece = async () => {
    const [got, lived] = [given - current.from, call.clock() - current.since];
    if (got >= PROGRESS_BYTES || (got > 0 && lived >= PROGRESS_MS)) tries.renew();
    if (!(await tries.another())) return fail(problem("transfer_cut"));
    const opened = await open(given, current.upto, tries);
    if (opened.ok) current = read(opened.value, current.upto);
    return opened;
  };

  /** Null when what comes next was opened: the next piece, or the rest of one that broke. */
  const goOn = async (): Promise<TransferEnd | null> => {
    current.piece.close();
    if (gone.aborted) return ended({ outcome: "client_gone" });
    const opened = await (given === current.upto ? nextPiece() : restOfPiece());
    if (gone.aborted) return ended({ outcome: "client_gone" });
    return opened.ok ? null : ended({ outcome: "failed", reason: opened.error.code });
  };

  return {
    given: () => given,
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
          ahead = open(current.upto, pieceEnd(current.upto), fresh());
          // Whoever awaits it is told; until then nobody may.
          ahead.catch(() => {});
        }
        return chunk;
      }
    },
  };
}
