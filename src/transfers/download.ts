import type { Problem } from "../base/problem.ts";
import { ok, type Result } from "../base/result.ts";
import { conditions, type FileHeaders, fileHeaders } from "../http/forward.ts";
import { contentLength } from "../http/range.ts";
import { filledBody } from "./download-body.ts";
import type { DownloadCall } from "./download-call.ts";
import { openJudged, tagOf } from "./download-judged.ts";
import type { Piece } from "./download-open.ts";

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
  const opened = await openJudged(call, conditions(call.request.headers, call.moving), gone.signal);
  if (!opened.ok) return opened;
  const { piece, status, pieces, begun } = opened.value;
  const headers = fileHeaders(piece.response.headers, call.backup.key);
  const tag = tagOf(call, piece.response);
  if (tag !== null && status < 400) headers.ETag = tag;
  if (pieces) delete headers["Content-Range"];
  if (pieces && status === 206) headers["Content-Range"] = `bytes ${pieces.start}-${pieces.end}/${pieces.total}`;
  return ok(begun ? new Response(filledBody(call, begun, gone), { status, headers }) : passedOn(call, piece, headers));
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
