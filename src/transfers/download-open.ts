import { type Problem, problem } from "../base/problem.ts";
import { type ProblemCode, problems } from "../base/problems.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Conditions } from "../http/forward.ts";
import { rangeHeader, type Window } from "../http/range.ts";
import { openDownload } from "../upstream/transfer.ts";
import type { DownloadCall } from "./download-call.ts";
import { checkPiece } from "./download-check.ts";
import { type Retries, retries } from "./retries.ts";

/** One answer of the server, its body unread. */
export type Piece = {
  response: Response;
  /** Closes the upstream connection. */
  close(): void;
};

/** Retries without progress before a running transfer is given up: about half a minute of waiting. */
const LATER_RETRIES = 8;

/** What another attempt may mend: outages, restarts, proxies in trouble. A refusal stays a refusal. */
const temporary: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "upstream_failed",
  "upstream_not_found",
  "upstream_proxy_failed",
  "upstream_rate_limited",
  "upstream_storage_failed",
  "upstream_timeout",
  "upstream_unauthorized",
  "upstream_unreachable",
]);

type Failure = { problem: Problem; retry: boolean; tokenRefused: boolean };

export const laterRetries = (call: DownloadCall, gone: AbortSignal): Retries =>
  retries(LATER_RETRIES, call.sleep, call.random, gone);

/**
 * Opens one stretch of the file as it was at `date` (its `Last-Modified`, the only version PocketBase gives). A file that
 * has changed since is a refusal.
 */
export function openRange(
  call: DownloadCall,
  window: Window,
  date: string,
  tries: Retries,
  gone: AbortSignal,
): Promise<Result<Piece, Problem>> {
  const headers = { Range: rangeHeader(window.start, window.end), "If-Range": date };
  return persist(tries, async (tokenRefused) => {
    const opened = await openOnce(call, headers, tokenRefused, gone);
    if (!opened.ok) return opened;
    const checked = checkPiece(window, date, opened.value.response);
    return checked.ok ? opened : closeAndFail(opened.value, checked.error);
  });
}

/** Tries until it works, a refusal comes or no retry is left; the last problem is the answer then. */
export async function persist<T>(
  tries: Retries,
  attempt: (tokenRefused: boolean) => Promise<Result<T, Failure>>,
): Promise<Result<T, Problem>> {
  let tokenRefused = false;
  for (;;) {
    const tried = await attempt(tokenRefused);
    if (tried.ok) return tried;
    if (!tried.error.retry || !(await tries.next())) return fail(tried.error.problem);
    tokenRefused = tried.error.tokenRefused;
  }
}

/**
 * Checks the caller's rights and opens the backup once. When no token can be had because the server is down, another
 * attempt may help; when the caller is refused (401, 403, 404) it may not.
 */
export async function openOnce(
  call: DownloadCall,
  headers: Conditions,
  tokenRefused: boolean,
  gone: AbortSignal,
): Promise<Result<Piece, Failure>> {
  // An instance that throws has not refused: the next attempt may reach it.
  const access = await call.authorize(tokenRefused).catch(() => fail(problem("internal")));
  if (!access.ok) {
    const { status } = problems[access.error.code];
    return fail({ problem: access.error, retry: status === 429 || status >= 500, tokenRefused: false });
  }
  const { method } = call.request;
  // A HEAD is over with its answer: there is nothing to close early.
  const own = method === "HEAD" ? null : new AbortController();
  const signal = own ? AbortSignal.any([gone, own.signal]) : undefined;
  const opened = await openDownload(call.fetch, access.value, { method, key: call.backup.key, headers, signal });
  if (opened.ok) return ok({ response: opened.value, close: () => own?.abort() });
  const { problem: refusal, unauthorized } = opened.error;
  return fail({ problem: refusal, retry: temporary.has(refusal.code), tokenRefused: unauthorized });
}

export function closeAndFail(piece: Piece, problem: Problem): Result<never, Failure> {
  piece.close();
  return fail({ problem, retry: false, tokenRefused: false });
}
