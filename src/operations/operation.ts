import type { QuotaUse } from "../access/decision.ts";
import type { Scope } from "../access/scope.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Preview } from "./preview.ts";

export const operationStates = [
  "awaiting_approval",
  "queued",
  "running",
  "succeeded",
  "failed",
  "unknown",
  "canceled",
  "denied",
  "expired",
] as const;
export type OperationState = (typeof operationStates)[number];

/** Who asked: a key, an administrator, or the relay itself. Never a secret. */
export type OperationActor = {
  kind: "key" | "admin" | "chat" | "schedule" | "relay" | "upstream";
  id?: string;
  name?: string;
  principal?: string;
};

/** What an approval is for, exactly. A delete has no digest. */
export type Binding = { key: string; size: number; modified: string; directorySha256: string | null };

type OperationStep = { name: string; state: "running" | "done" | "failed"; at: number; detail?: string };

/** Long-running work as its instance stores it. Times are ms since the epoch; `null` means not yet. */
export type Operation<Data extends object | null = object | null> = {
  /** `op_…`, sorts by time. */
  id: string;
  /** A row of `kinds.ts`. */
  kind: string;
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
  /** What an approval, or the preflight, saw of the target: it must be the same just before the request. */
  binding: Binding | null;
  /** What its kind has to remember; nobody else looks into it. */
  data: Data;
  /** What it takes away, and who made the file; of a restore and of what waits for an approval. */
  preview?: Preview | null;
  /** What its key was admitted with when it asked; left out for an administrator's, and by relays before this field. */
  admitted?: { scopes: readonly Scope[]; charged: readonly QuotaUse[] };
  /** Only in answers: how many operations go before this one; null when it does not wait in line. */
  ahead?: number | null;
};

const FINAL: readonly OperationState[] = ["succeeded", "failed", "unknown", "canceled", "denied", "expired"];

export const isFinal = (operation: Operation): boolean => FINAL.includes(operation.state);

/** How a run ended; the engine writes it into the row. */
export type Ending =
  | { state: "succeeded"; result: Record<string, unknown> }
  | { state: "failed" | "unknown"; error: Problem; result?: Record<string, unknown> };

/**
 * What an operation means for a caller who knows only done or refused (SDKs take every 2xx as done): what ended otherwise
 * than well is its error, and what has not ended is `operation_unfinished`, with the address of the operation.
 */
export function outcome(operation: Operation): Result<Operation, Problem> {
  if (operation.state === "succeeded") return ok(operation);
  if (operation.error) return fail(operation.error);
  if (isFinal(operation)) return fail(problem("operation_canceled"));
  return fail(problem("operation_unfinished", { location: `/v1/operations/${operation.id}`, retryAfterSeconds: 5 }));
}
