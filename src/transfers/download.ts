import type { Problem } from "../base/problem.ts";
import { ok, type Result } from "../base/result.ts";
import { type Conditions, conditions, type FileHeaders, fileHeaders } from "../http/forward.ts";
import { contentLength, lengthOf } from "../http/range.ts";
import { filledBody } from "./download-body.ts";
import { type DownloadCall, isPumped } from "./download-call.ts";
import { openFirst, type Piece } from "./download-open.ts";
import { planOf } from "./download-plan.ts";

/**
 * Answers a download or HEAD of one backup, as PocketBase does (`apis/backup.go`, Go `net/http` `ServeContent`): 200, 206,
 * 304, 412, 416, with headers of our own (`fileHeaders`). Nothing of the caller but range and conditions reaches the
 * server; nothing of the server but checked values reaches the caller.
 *
 * What the client gets has the listed length and is one version of the file, or the transfer breaks off short of its
 * `Content-Length`. Fails before the first byte with a problem of `authorize`, `backup_not_found`, `backup_changed` (not the
 * file that was listed: list again), or an `upstream_…` code.
 */
export async function download(call: DownloadCall): Promise<Result<Response, Problem>> {
  const gone = new AbortController();
  if (call.request.signal.aborted) gone.abort();
  else if (call.request.method !== "HEAD") call.request.signal.addEventListener("abort", () => gone.abort());
  return answer(call, conditions(call.request.headers), gone);
}

async function answer(
  call: DownloadCall,
  asked: Conditions,
  gone: AbortController,
): Promise<Result<Response, Problem>> {
  const plan = planOf(call, asked);
  const opened = await openFirst(call, plan.headers, gone.signal);
  if (!opened.ok) return opened;
  const { piece, window, date } = opened.value;
  const { status } = piece.response;
  if (plan.pieces && status === 206 && date === null) {
    // Without a date no later piece can be tied to this one.
    piece.close();
    return answer({ ...call, healing: "off" }, asked, gone);
  }
  if (plan.pieces && status === 200 && asked["If-Range"] !== undefined) {
    // The caller has a part of another version: it gets the whole file, and so all of its pieces.
    piece.close();
    const { Range: _range, "If-Range": _version, ...rest } = asked;
    return answer(call, rest, gone);
  }
  const headers = fileHeaders(piece.response.headers, call.backup.key);
  const pieces = status === 206 ? plan.pieces : null;
  // The server's own headers tell of the first piece only.
  if (pieces) delete headers["Content-Range"];
  if (pieces && asked.Range) headers["Content-Range"] = `bytes ${pieces.start}-${pieces.end}/${pieces.total}`;
  const sent = pieces ?? (isPumped(call) ? window : null);
  if (call.request.method === "HEAD" || !sent || lengthOf(sent) === 0 || date === null)
    return ok(passedOn(call, piece, headers));
  const begun = { piece, held: window ? lengthOf(window) : 0, window: sent, date };
  return ok(new Response(filledBody(call, begun, gone), { status: pieces && !asked.Range ? 200 : status, headers }));
}

/** An answer whose body the runtime passes on by itself, or that has none of the file's bytes. */
function passedOn(call: DownloadCall, { response, close }: Piece, headers: FileHeaders): Response {
  const { status } = response;
  if (call.request.method === "GET" && (status === 200 || status === 206)) {
    call.onEnd({ bytes: 0, outcome: "handed_over" });
    return new Response(response.body, { status, headers });
  }
  const length = contentLength(response.headers);
  if (length !== null && (status === 200 || status === 206)) headers["Content-Length"] = String(length);
  if (status === 416) headers["Content-Type"] = "text/plain; charset=utf-8";
  if (status === 304) delete headers["Content-Type"];
  // These are the two texts of Go's `http.ServeContent`; the server's own body is not passed on.
  const text = "Content-Range" in headers ? "invalid range: failed to overlap\n" : "invalid range\n";
  close();
  call.onEnd({ bytes: 0, outcome: "complete" });
  return new Response(status === 416 && call.request.method === "GET" ? text : null, { status, headers });
}
