import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { lengthOf, rangeHeader, type Window } from "../http/range.ts";
import { chunksOf } from "../http/stream/chunks.ts";
import { type Patience, patience } from "../http/stream/patience.ts";
import type { DownloadCall, TransferEnd } from "./download-call.ts";
import { checkPiece } from "./download-check.ts";
import { type Attempt, openPiece, type Piece, persist } from "./download-piece.ts";

/** Tries without progress before a transfer is given up: about half a minute of waiting. */
export const TRIES = 8;

/** What counts as progress: this many bytes from one connection, or any after it lived this long. */
const PROGRESS_BYTES = 64 * 1024;
const PROGRESS_MS = 60_000;

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

/** The file version a transfer began with: its window and its `Last-Modified`, which every later piece must show. */
export type Begun = { piece: Piece; window: Window; date: string };

/** A chunk, the end, or the last chunk with the end. */
export type Next = { chunk: Uint8Array | null; end: TransferEnd | null };

/**
 * The window's bytes in order, re-opening the file at the exact byte whenever the server's body breaks or ends early
 * (PocketBase cuts every transfer after five minutes, and a restart cuts it at once). They end when all were given, the
 * client is gone, or the file cannot be had any more: changed, key revoked, no progress in `TRIES` tries.
 */
export function healedChunks(
  call: DownloadCall,
  { piece: first, window, date }: Begun,
  gone: AbortSignal,
): { next(): Promise<Next>; given(): number } {
  const tries = patience(TRIES, call.sleep, call.random, gone);
  const read = (opened: Piece) => ({
    piece: opened,
    source: chunksOf(opened.response.body!, call.clock, call.sleep, "kept"),
    since: call.clock(),
    bytes: 0,
  });
  let current = read(first);
  let given = 0;

  const ending = (end: Omit<TransferEnd, "bytes">): Next => {
    current.piece.close();
    return { chunk: null, end: { bytes: given, ...end } };
  };

  /** Null when the rest was opened. */
  const heal = async (): Promise<Next | null> => {
    current.piece.close();
    if (gone.aborted) return ending({ outcome: "client_gone" });
    const lived = call.clock() - current.since;
    if (current.bytes >= PROGRESS_BYTES || (current.bytes > 0 && lived >= PROGRESS_MS)) tries.renew();
    const rest = { ...window, start: window.start + given };
    const opened = (await tries.another())
      ? await openRange(call, rest, date, tries, gone)
      : fail(problem("transfer_cut"));
    if (opened.ok) current = read(opened.value);
    if (gone.aborted) return ending({ outcome: "client_gone" });
    return opened.ok ? null : ending({ outcome: "failed", reason: opened.error.code });
  };

  return {
    given: () => given,
    async next() {
      for (;;) {
        const chunk = await current.source.next();
        if (typeof chunk === "string") {
          const end = await heal();
          if (end) return end;
          continue;
        }
        if (given + chunk.byteLength > lengthOf(window))
          return ending({ outcome: "failed", reason: "upstream_invalid" });
        given += chunk.byteLength;
        current.bytes += chunk.byteLength;
        if (given < lengthOf(window)) return { chunk, end: null };
        current.source.release();
        return { ...ending({ outcome: "complete" }), chunk };
      }
    },
  };
}
