import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { lengthOf, rangeHeader, type Window } from "../http/range.ts";
import { chunksOf } from "../http/stream/chunks.ts";
import { type Patience, patience } from "../http/stream/patience.ts";
import { pour } from "../http/stream/pour.ts";
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

/**
 * Pumps the window to the writer, re-opening the file at the exact byte whenever the server's body breaks or ends early
 * (PocketBase cuts every transfer after five minutes, and a restart cuts it at once). Ends when the client has every
 * byte, is gone, or the file cannot be had any more: changed, key revoked, no progress in `TRIES` tries.
 */
export async function pumpHealed(
  call: DownloadCall,
  first: Piece,
  window: Window,
  date: string,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  gone: AbortSignal,
): Promise<TransferEnd> {
  const tries = patience(TRIES, call.sleep, call.random, gone);
  let piece = first;
  let bytes = 0;
  for (;;) {
    const since = call.clock();
    const limit = lengthOf(window) - bytes;
    const source = chunksOf(piece.response.body!, call.clock, call.sleep);
    const poured = await pour(source, writer, limit);
    if (poured.stopped !== "source") source.release();
    piece.close();
    bytes += poured.bytes;
    if (poured.stopped === "full") return { bytes, outcome: "complete" };
    if (poured.stopped === "sink" || gone.aborted) return { bytes, outcome: "client_gone" };
    if (poured.stopped === "excess") return { bytes, outcome: "failed", reason: "upstream_invalid" };
    const lived = call.clock() - since;
    if (poured.bytes >= PROGRESS_BYTES || (poured.bytes > 0 && lived >= PROGRESS_MS)) tries.renew();
    const rest = { ...window, start: window.start + bytes };
    const next = (await tries.another())
      ? await openRange(call, rest, date, tries, gone)
      : fail(problem("transfer_cut"));
    if (gone.aborted) return { bytes, outcome: "client_gone" };
    if (!next.ok) return { bytes, outcome: "failed", reason: next.error.code };
    piece = next.value;
  }
}
