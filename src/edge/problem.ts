import type { Problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";

/**
 * The one place where a problem becomes an answer: PocketBase's `{status, message, data}` plus `code`, `hint` and
 * `requestId`. Status, message and hint come from the catalogue unless the problem has its own.
 */
export function problemResponse(problem: Problem, requestId: string): Response {
  const { status, message, hint } = problems[problem.code];
  const headers: Record<string, string> = { "content-type": "application/json", "cache-control": "no-store" };
  if (problem.retryAfterSeconds !== undefined) headers["retry-after"] = String(Math.ceil(problem.retryAfterSeconds));
  else if (status === 429 || status === 503) headers["retry-after"] = "5";
  if (problem.location !== undefined) headers.location = problem.location;
  return new Response(
    JSON.stringify({
      data: problem.data ?? {},
      message: problem.message ?? message,
      status,
      code: problem.code,
      hint: problem.hint ?? hint,
      requestId,
    }),
    { status, headers },
  );
}
