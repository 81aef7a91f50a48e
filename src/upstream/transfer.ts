import { problem } from "../base/problem.ts";
import type { ProblemCode } from "../base/problems.ts";
import { fail, ok } from "../base/result.ts";
import { readText } from "../http/body.ts";
import type { Conditions } from "../http/forward.ts";
import type { UpstreamAccess, UpstreamResult } from "./backups-api.ts";
import { type Fetch, outgoing, outgoingHeaders, parsed } from "./exchange.ts";
import { faultOf, silenceFault } from "./fault.ts";
import { backupPath, paths } from "./paths.ts";

type DownloadRequest = {
  method: "GET" | "HEAD";
  key: string;
  /** The only request headers that a download passes on. */
  headers: Conditions;
  /** Ends the wait and the transfer; the upstream connection is closed at once. */
  signal?: AbortSignal;
  /** Longest wait for the answer's headers, in ms. The body has no limit of its own. */
  headersMs?: number;
};

/** Statuses that are no refusal of a download: whole, part, not modified, condition failed, range past the end. */
const accepted = [200, 206, 304, 412, 416];

/**
 * PocketBase's refusals of a HEAD, which have no body to judge by. 403: a dead file token. 404: no such backup. 400: with S3,
 * no such backup or a store that is down.
 */
const headFaults: Record<number, ProblemCode> = {
  400: "upstream_storage_failed",
  403: "upstream_unauthorized",
  404: "backup_not_found",
};

/** Longest wait for the body of a refusal once its status is known, in ms. */
const REFUSAL_MS = 3_000;

type Sent = { response: Response /** Closes the connection. */; close: () => void };

/**
 * Reads a refusal for `faultOf`. `json` is undefined for an empty body, one that is not JSON and one that comes too slowly:
 * then only the status counts.
 */
async function readRefusal({ response, close }: Sent) {
  const timer = setTimeout(close, REFUSAL_MS);
  const text = await readText(response.body, 65_536).catch(() => null);
  clearTimeout(timer);
  const json = text === null ? undefined : parsed(text);
  return { status: response.status, headers: response.headers, text: text ?? "", json };
}

async function send(
  fetch: Fetch,
  url: string,
  init: RequestInit,
  waitMs: number,
  signal: AbortSignal | undefined,
  mutates: boolean,
): Promise<UpstreamResult<Sent>> {
  const cut = new AbortController();
  const timer = setTimeout(() => cut.abort(), waitMs);
  const combined = signal ? AbortSignal.any([cut.signal, signal]) : cut.signal;
  try {
    const response = await fetch(url, { ...outgoing, ...init, signal: combined });
    return ok({ response, close: () => cut.abort() });
  } catch {
    return fail(silenceFault(combined.aborted ? "timeout" : "unreachable", mutates));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Opens one backup for reading. The response is the server's own, its body unread; none of its headers is fit for the
 * caller unchecked (its Cache-Control is public). `unauthorized`: the file token was rejected, ask for another.
 */
export async function openDownload(
  fetch: Fetch,
  access: UpstreamAccess,
  request: DownloadRequest,
): Promise<UpstreamResult<Response>> {
  const path = backupPath(request.key);
  if (!path) return fail({ problem: problem("backup_not_found"), unclear: false, unauthorized: false });
  const url = `${access.baseUrl}${path}?token=${encodeURIComponent(access.token)}`;
  const headers = outgoingHeaders(access.headers, request.headers);
  const init = { method: request.method, headers };
  const sent = await send(fetch, url, init, request.headersMs ?? 30_000, request.signal, false);
  if (!sent.ok) return sent;
  const { status } = sent.value.response;
  if (accepted.includes(status)) return ok(sent.value.response);
  const headFault = request.method === "HEAD" ? headFaults[status] : undefined;
  if (headFault)
    return fail({ problem: problem(headFault), unclear: false, unauthorized: headFault === "upstream_unauthorized" });
  const answer = await readRefusal(sent.value);
  const fault = faultOf(answer, false);
  // A 404 without JSON comes from a proxy and says nothing about the backup.
  if (status === 404 && fault.problem.code === "upstream_not_found" && answer.json !== undefined)
    fault.problem = problem("backup_not_found");
  // With S3 PocketBase gives the same 400 for a missing backup and for a store that is down.
  if (status === 400 && fault.problem.code === "upstream_refused")
    fault.problem = problem("upstream_storage_failed", { message: "The server could not open the backup." });
  return fail(fault);
}

type FramedUpload = {
  /** `multipart/form-data; boundary=…`: the relay's own framing, never the caller's. */
  contentType: string;
  body: BodyInit;
  signal?: AbortSignal;
  /** Longest wait for the server's answer from the first byte sent, in ms. */
  answerMs?: number;
};

/** Sends one framed upload. `unclear` after a lost answer: the backup may be stored, so look at the list. */
export async function sendUpload(
  fetch: Fetch,
  access: UpstreamAccess,
  request: FramedUpload,
): Promise<UpstreamResult<null>> {
  const headers = outgoingHeaders(access.headers, {
    Accept: "application/json",
    Authorization: access.token,
    "Content-Type": request.contentType,
  });
  // Node's fetch needs `duplex`: the answer may come before the end of the body.
  const init = { method: "POST", headers, body: request.body, duplex: "half" } as RequestInit;
  const url = access.baseUrl + paths.upload;
  const sent = await send(fetch, url, init, request.answerMs ?? 3_600_000, request.signal, true);
  if (!sent.ok) return sent;
  if (sent.value.response.status === 204) return ok(null);
  return fail(faultOf(await readRefusal(sent.value), true));
}
