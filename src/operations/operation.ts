import type { Problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

export type OperationKind = "create" | "restore" | "delete";

export type OperationState =
  | "awaiting_approval"
  | "queued"
  | "running"
  | "succeeded"
  | "failed"
  | "unknown"
  | "canceled"
  | "denied"
  | "expired";

/** Who asked: a key, an administrator, or the relay itself. Never a secret. */
export type OperationActor = {
  kind: "key" | "admin" | "chat" | "schedule" | "relay" | "upstream";
  id?: string;
  name?: string;
  principal?: string;
};

export type OperationStep = { name: string; state: "running" | "done" | "failed"; at: number; detail?: string };

/** Long-running work as its instance stores it. Times are ms since the epoch; `null` means not yet. */
export type Operation = {
  /** `op_…`, sorts by time. */
  id: string;
  kind: OperationKind;
  state: OperationState;
  target: { key: string; size?: number; modified?: string };
  steps: OperationStep[];
  actor: OperationActor;
  requested: number;
  started: number | null;
  finished: number | null;
  error: Problem | null;
  result: Record<string, unknown> | null;
  approval: { expires: number; decidedBy: string | null; decidedAt: number | null } | null;
};

const FINAL: readonly OperationState[] = ["succeeded", "failed", "unknown", "canceled", "denied", "expired"];

export const isFinal = (operation: Operation): boolean => FINAL.includes(operation.state);

/** How a run ended; the engine writes it into the row. */
export type Ending =
  | { state: "succeeded"; result: Record<string, unknown> }
  | { state: "failed" | "unknown"; error: Problem; result?: Record<string, unknown> };

/** What an operation means for a caller who knows only done or refused: an operation that runs or is unknown passes. */
export const outcome = (operation: Operation): Result<Operation, Problem> =>
  operation.state === "failed" && operation.error ? fail(operation.error) : ok(operation);
