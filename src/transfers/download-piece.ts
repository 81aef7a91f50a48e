import { type Problem, problem } from "../base/problem.ts";
import { type ProblemCode, problems } from "../base/problems.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Patience } from "../http/patience.ts";
import { type DownloadHeaders, openDownload } from "../upstream/transfer.ts";
import type { DownloadCall } from "./download-call.ts";

/** One answer of the server, its body unread. */
export type Piece = {
  response: Response;
  /** Ends the upstream connection, whatever it was doing. */
  close(): void;
};

export type Attempt<T> = { done: true; value: T } | { done: false; problem: Problem; again: boolean; refused: boolean };

/** What another try may mend: outages, restarts, proxies in trouble. A refusal stays one. */
const passing: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "upstream_failed",
  "upstream_not_found",
  "upstream_proxy_failed",
  "upstream_rate_limited",
  "upstream_storage_failed",
  "upstream_timeout",
  "upstream_unauthorized",
  "upstream_unreachable",
]);

const failed = (problem: Problem, again: boolean, refused = false): Attempt<never> => ({
  done: false,
  problem,
  again,
  refused,
});

/**
 * Passes the door and opens the backup once. A door that cannot mint because the server is down may be asked again; one
 * that refuses (401, 403, 404) may not.
 */
export async function openPiece(
  call: DownloadCall,
  method: "GET" | "HEAD",
  headers: DownloadHeaders,
  refused: boolean,
  gone: AbortSignal,
): Promise<Attempt<Piece>> {
  // A door that throws has not refused: the next try may find it in order.
  const access = await call.door.open(refused).catch(() => fail(problem("internal")));
  if (!access.ok) {
    const { status } = problems[access.error.code];
    return failed(access.error, status === 429 || status >= 500);
  }
  // A HEAD is over with its answer: there is nothing to end early.
  const own = method === "HEAD" ? null : new AbortController();
  const signal = own ? AbortSignal.any([gone, own.signal]) : undefined;
  const opened = await openDownload(call.fetch, access.value, { method, key: call.backup.key, headers, signal });
  if (!opened.ok) {
    const { problem, unauthorized } = opened.error;
    return failed(problem, passing.has(problem.code), unauthorized);
  }
  return { done: true, value: { response: opened.value, close: () => own?.abort() } };
}

/** Tries until it works, a refusal comes or the patience ends; the last problem is the answer then. */
export async function persist<T>(
  attempt: (refused: boolean) => Promise<Attempt<T>>,
  patience: Patience,
): Promise<Result<T, Problem>> {
  let refused = false;
  for (;;) {
    const tried = await attempt(refused);
    if (tried.done) return ok(tried.value);
    if (!tried.again || !(await patience.another())) return fail(tried.problem);
    refused = tried.refused;
  }
}
