import type { Problem } from "../base/problem.ts";
import { problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { type Ending, isFinal, type Operation, type OperationState } from "./operation.ts";
import { wasSent } from "./work.ts";

/** What may happen to an operation. `at` is ms since the epoch, `by` the principal who decided. */
export type OperationEvent =
  | { type: "granted" | "denied"; by: string; at: number }
  | { type: "expired" | "started"; at: number }
  /** `error` when the relay cancels it, null when a caller does. */
  | { type: "canceled"; at: number; error: Problem | null }
  | { type: "ended"; ending: Ending; at: number };

/** From each state, the states an event may lead to. Final states have none. */
export const transitions: Record<OperationState, readonly OperationState[]> = {
  awaiting_approval: ["queued", "denied", "expired", "canceled", "failed"],
  queued: ["running", "canceled", "failed"],
  running: ["succeeded", "failed", "unknown", "canceled"],
  succeeded: [],
  failed: [],
  unknown: [],
  canceled: [],
  denied: [],
  expired: [],
};

/** Where an operation begins: a destructive one may have to be approved first. */
export const firstState = (needsApproval: boolean): OperationState => (needsApproval ? "awaiting_approval" : "queued");

/**
 * The operation after an event, or why that cannot happen to it: `operation_final`, `operation_not_cancelable`,
 * `approval_not_pending`, or `internal` for what only a mistake in the relay could cause. Whether somebody may
 * decide is checked before (`approval.ts`). Canceling what is canceled changes nothing. A running operation can be
 * canceled until its request is sent: the engine writes that step and looks at the state in one turn.
 */
export function applied(operation: Operation, event: OperationEvent): Result<Operation, Problem> {
  if (event.type === "canceled" && operation.state === "canceled") return ok(operation);
  if (isFinal(operation)) return fail(problem("operation_final"));
  const next = after(operation, event);
  if (!next.ok) return next;
  return transitions[operation.state].includes(next.value.state) ? next : fail(problem("internal"));
}

function after(operation: Operation, event: OperationEvent): Result<Operation, Problem> {
  const ended = { ...operation, finished: event.at };
  switch (event.type) {
    case "granted":
    case "denied": {
      if (operation.state !== "awaiting_approval" || !operation.approval) return fail(problem("approval_not_pending"));
      const approval = { ...operation.approval, decidedBy: event.by, decidedAt: event.at };
      if (event.type === "granted") return ok({ ...operation, state: "queued", approval });
      return ok({ ...ended, state: "denied", approval, error: problem("approval_denied") });
    }
    case "expired":
      if (operation.state !== "awaiting_approval") return fail(problem("approval_not_pending"));
      return ok({ ...ended, state: "expired", error: problem("approval_expired") });
    case "canceled":
      if (operation.state === "running" && wasSent(operation)) return fail(problem("operation_not_cancelable"));
      return ok({ ...ended, state: "canceled", error: event.error });
    case "started":
      return ok({ ...operation, state: "running", started: event.at });
    case "ended": {
      const { ending } = event;
      const error = ending.state === "succeeded" ? null : ending.error;
      return ok({ ...ended, state: ending.state, error, result: ending.result ?? null });
    }
  }
}
