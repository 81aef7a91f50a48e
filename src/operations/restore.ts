import { problem } from "../base/problem.ts";
import type { Ending } from "./operation.ts";
import { type Work, wasSent } from "./work.ts";

const ANSWER_MS = 35_000;

/**
 * Asks the server to restore. Its 204 only means that it accepted, and nothing here observes more than that: the
 * operation therefore ends as `unknown`, never as succeeded.
 */
export async function runRestore(work: Work): Promise<Ending> {
  if (!wasSent(work.operation)) {
    work.step("sent", "running");
    const answer = await work.api.restore(work.operation.target.key, AbortSignal.timeout(ANSWER_MS));
    if (!answer.ok && !answer.error.unclear) {
      work.step("sent", "failed");
      return { state: "failed", error: answer.error.problem };
    }
    work.step("sent", "done", answer.ok ? "accepted" : "answer lost");
    if (answer.ok) return { state: "unknown", error: problem("restore_unobserved"), result: { accepted: true } };
  }
  return { state: "unknown", error: problem("restore_unobserved"), result: { accepted: false } };
}
