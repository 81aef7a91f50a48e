import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Preview } from "./preview.ts";
import type { RestoreOutcome } from "./restore-outcome.ts";

export const operationKinds = ["create", "restore", "delete"] as const;
export type OperationKind = (typeof operationKinds)[number];

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

/** The backup made just before a restore, as it was then. */
export type SafetyCopy = { key: string; size: number; directorySha256: string };

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
  /** What an approval, or the preflight, saw of the target: it must be the same just before the request. */
  binding: Binding | null;
  /** Only of a restore. */
  restore: RestoreData | null;
  /** What it takes away, and who made the file; of a restore and of what waits for an approval. */
  preview?: Preview | null;
  /** Only in answers: how many operations go before this one; null when it does not wait in line. */
  ahead?: number | null;
};

/** What a restore has to remember from one step to the next, and over a kill. */
export type RestoreData = {
  safetyBackup: boolean;
  /** The name of the safety backup, chosen before it is made. */
  safetyKey: string;
  safety: (SafetyCopy & { modified: string }) | null;
  /** Random part of the canary's fingerprint, chosen before it is planted. */
  nonce: string;
  canary: { kind: "record" | "log_row"; id: string } | null;
  sentAt: number | null;
  /** How far the server's clock was ahead then, in ms: its log is asked by its own time. */
  skewMs?: number;
  bosbase: boolean;
  /** Why it goes no further, once that is known; the clean-up comes after it. */
  refusal?: Problem | null;
  /** How it ended, once that is known; the clean-up comes after it. */
  end: RestoreEnd | null;
  /** True once nothing of the canary is left on the server. */
  tidied?: boolean;
  /** The operation it takes back. */
  undoes: string | null;
};

export type RestoreEnd = { outcome: Exclude<RestoreOutcome, { state: "watching" }>; downtimeMs: number | null };

const FINAL: readonly OperationState[] = ["succeeded", "failed", "unknown", "canceled", "denied", "expired"];

export const isFinal = (operation: Operation): boolean => FINAL.includes(operation.state);

/** How a run ended; the engine writes it into the row. */
export type Ending =
  | { state: "succeeded"; result: Record<string, unknown> }
  | { state: "failed" | "unknown"; error: Problem; result?: Record<string, unknown> };

/**
 * What an operation means for a caller who knows only done or refused (SDKs take every 2xx as done): what ended otherwise
 * than well is its error, and what has not ended is `operation_unfinished`, with the place that will tell.
 */
export function outcome(operation: Operation): Result<Operation, Problem> {
  if (operation.state === "succeeded") return ok(operation);
  if (operation.error) return fail(operation.error);
  if (isFinal(operation)) return fail(problem("operation_canceled"));
  return fail(problem("operation_unfinished", { location: `/v1/operations/${operation.id}`, retryAfterSeconds: 5 }));
}
