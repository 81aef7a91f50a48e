import type { Operation } from "./operation.ts";

/**
 * What to do with a step that was under way when the relay was killed. `repeat`: do it again, a second time does no harm.
 * `look`: it may have reached the server, so find out there and never send it again.
 */
type AfterKill = "repeat" | "look";
type Step = { name: string; afterKill: AfterKill };

const step = (name: string, afterKill: AfterKill): Step => ({ name, afterKill });

/**
 * The steps of a restore in order: `preflight`, `safety` (the safety backup, itself inspected), `confirm` (the file is
 * still the one the preflight and the approval saw), `canary`, `sent`, `watch` (until the outcome is known), `cleanup`
 * (the canary, if still there). Every request to the server that changes something is a step of its own, which is
 * written as running before it is sent. `sent` is the request an operation is about, of whatever kind.
 */
export const restoreSteps = (safetyBackup: boolean): readonly Step[] => [
  step("preflight", "repeat"),
  ...(safetyBackup ? [step("safety", "look")] : []),
  step("confirm", "repeat"),
  step("canary", "look"),
  step("sent", "look"),
  step("watch", "repeat"),
  step("cleanup", "repeat"),
];

/**
 * Where a run goes on, also after a kill: the first step that is not done, and how: `do` it for the first time, `repeat`
 * it, or `look` what became of it. Null when all are done or one failed. Of the steps of one name the last record counts.
 */
export function nextStep(
  steps: Operation["steps"],
  plan: readonly Step[],
): { name: string; how: "do" | AfterKill } | null {
  for (const { name, afterKill } of plan) {
    const state = steps.findLast((record) => record.name === name)?.state;
    if (state === "failed") return null;
    if (state !== "done") return { name, how: state === undefined ? "do" : afterKill };
  }
  return null;
}
