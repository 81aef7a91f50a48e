import type { Problem } from "../base/problem.ts";
import type { ProblemCode } from "../base/problems.ts";
import { ok, type Result } from "../base/result.ts";
import { type Conditions, conditions, type FileHeaders, fileHeaders } from "../http/forward.ts";
import { patience } from "../http/patience.ts";
import { contentLength, lengthOf, rangeHeader, requestedWindow, type Window } from "../http/range.ts";
import { filledBody } from "./download-body.ts";
import { type DownloadCall, isPumped } from "./download-call.ts";
import { checkFirst } from "./download-check.ts";
import { type Attempt, openPiece, type Piece, persist } from "./download-piece.ts";
import { firstPiece } from "./download-segments.ts";

/** The caller waits for the first answer: one try for a dead token or a restart, one a moment later. */
const FIRST_TRIES = 2;

/** A caller who waits is told at once: the server took its time already, or has said when to come again. */
const told: readonly ProblemCode[] = ["upstream_rate_limited", "upstream_saturated", "upstream_timeout"];

type Opened = { piece: Piece; window: Window | null; date: string | null };

async function openFirst(call: DownloadCall, asked: Conditions, gone: AbortSignal): Promise<Result<Opened, Problem>> {
  const { method } = call.request;
  return persist(
    async (refused): Promise<Attempt<Opened>> => {
      const opened = await openPiece(call, method, asked, refused, gone);
      if (!opened.done) return { ...opened, again: opened.again && !told.includes(opened.problem.code) };
      const checked = checkFirst(asked, call.backup.size, opened.value.response, method === "HEAD");
      if (checked.ok) return { done: true, value: { piece: opened.value, ...checked.value } };
      opened.value.close();
      return { done: false, problem: checked.error, again: false, refused: false };
    },
    patience(FIRST_TRIES, call.sleep, call.random, gone),
  );
}

/** The stretch to fetch in pieces, or null when one request does: then the caller's own is sent as it is. */
function segmented(call: DownloadCall, asked: Conditions): Window | null {
  const { size } = call.backup;
  if (call.healing !== "segments" || call.request.method === "HEAD" || size === 0) return null;
  const window = asked.Range ? requestedWindow(asked.Range, size) : { start: 0, end: size - 1, total: size };
  return window === "other" || firstPiece(window).end === window.end ? null : window;
}

/**
 * Answers a download or HEAD of one backup, as PocketBase does (`apis/backup.go`, Go `net/http` `ServeContent`): 200, 206,
 * 304, 412, 416, with headers of our own (`fileHeaders`). Nothing of the caller but range and conditions reaches the
 * server; nothing of the server but checked values reaches the caller.
 *
 * What the client gets has the listed length and is one version of the file, or the transfer breaks off short of its
 * `Content-Length`. Fails before the first byte with the door's problem, `backup_not_found`, `backup_changed` (not the
 * file that was listed: list again), or an `upstream_…` code.
 */
export async function download(call: DownloadCall): Promise<Result<Response, Problem>> {
  const gone = new AbortController();
  if (call.request.signal.aborted) gone.abort();
  else if (call.request.method !== "HEAD") call.request.signal.addEventListener("abort", () => gone.abort());
  return answer(call, conditions(call.request.headers), gone);
}

/** A body the runtime passes on by itself, or none. */
function passed(call: DownloadCall, piece: Piece, status: number, headers: FileHeaders): Response {
  const { response } = piece;
  if (call.request.method === "GET" && (status === 200 || status === 206)) {
    call.onEnd({ bytes: 0, outcome: "handed_over" });
    return new Response(response.body, { status, headers });
  }
  const length = contentLength(response.headers);
  if (length !== null && (status === 200 || status === 206)) headers["Content-Length"] = String(length);
  if (status === 416) headers["Content-Type"] = "text/plain; charset=utf-8";
  if (status === 304) delete headers["Content-Type"];
  // Go's `http.ServeContent` words both ways; the server's own body is not passed on.
  const text = "Content-Range" in headers ? "invalid range: failed to overlap\n" : "invalid range\n";
  piece.close();
  call.onEnd({ bytes: 0, outcome: "complete" });
  return new Response(status === 416 && call.request.method === "GET" ? text : null, { status, headers });
}

async function answer(
  call: DownloadCall,
  asked: Conditions,
  gone: AbortController,
): Promise<Result<Response, Problem>> {
  const parts = segmented(call, asked);
  const narrowed = parts ? firstPiece(parts) : null;
  const sent = narrowed ? { ...asked, Range: rangeHeader(narrowed.start, narrowed.end) } : asked;
  const opened = await openFirst(call, sent, gone.signal);
  if (!opened.ok) return opened;
  const { piece, date } = opened.value;
  const inParts = parts !== null && piece.response.status === 206;
  if (inParts && date === null) {
    piece.close();
    return answer({ ...call, healing: "off" }, asked, gone);
  }
  if (parts && piece.response.status === 200 && asked["If-Range"] !== undefined) {
    // The caller has a part of another version: it gets the whole file, and so all of its pieces.
    piece.close();
    const { Range: _range, "If-Range": _version, ...rest } = asked;
    return answer(call, rest, gone);
  }
  const headers = fileHeaders(piece.response.headers, call.backup.key);
  if (inParts) delete headers["Content-Range"];
  if (inParts && asked.Range) headers["Content-Range"] = `bytes ${parts.start}-${parts.end}/${parts.total}`;
  const status = inParts && !asked.Range ? 200 : piece.response.status;
  const window = inParts ? parts : isPumped(call) ? opened.value.window : null;
  if (call.request.method === "HEAD" || !window || lengthOf(window) === 0 || date === null)
    return ok(passed(call, piece, status, headers));
  const held = opened.value.window ? lengthOf(opened.value.window) : 0;
  return ok(new Response(filledBody(call, { piece, held, window, date }, gone), { status, headers }));
}
