import { isoTime } from "../../base/clock.ts";
import type { Actor, BackupFact } from "../../ledger/catalogue/shapes.ts";
import type { EventDraft } from "../../ledger/event.ts";
import { backupFact } from "../../observing/backup-fact.ts";
import { eventFault } from "../../observing/reachability.ts";
import type { Operation, OperationActor } from "../../operations/operation.ts";
import { isRestore, type Restore } from "../../operations/restore-data.ts";
import type { OperationEvent } from "../../operations/states.ts";
import { wasSent } from "../../operations/work.ts";
import { versionOf } from "../observing/judge.ts";

/** The change of an operation that may make events; null when it makes none. */
export type Occasion =
  | "approval.requested"
  | "approval.granted"
  | "approval.denied"
  | "approval.expired"
  | "accepted"
  | "canceled"
  | "ended"
  | null;

/** What a decision, a cancellation or the end of its time tells of an operation. */
export function occasionOf({ type }: OperationEvent): Occasion {
  if (type === "canceled") return type;
  return type === "granted" || type === "denied" || type === "expired" ? `approval.${type}` : null;
}

/** Who, as the ledger shows it: without the principal. */
export const factActor = ({ kind, id, name }: OperationActor): Actor => ({
  kind,
  ...(id ? { id } : {}),
  ...(name ? { name } : {}),
});

/** The events that a change of this operation makes. What the observer will find on the server is not among them. */
export function eventsOf(
  operation: Operation,
  occasion: Occasion,
  decider: OperationActor | null = null,
): EventDraft[] {
  switch (occasion) {
    case null:
      return [];
    case "accepted":
      return isRestore(operation) ? [restoreAccepted(operation)] : [];
    case "canceled":
      return canceled(operation, decider);
    case "ended":
      return ended(operation);
    default:
      return decision(operation, occasion, decider);
  }
}

function decision(
  operation: Operation,
  type: Exclude<Occasion, "accepted" | "canceled" | "ended" | null>,
  decider: OperationActor | null,
): EventDraft[] {
  const { id, kind, actor, approval } = operation;
  // The catalogue has approvals for these two only.
  if (kind !== "restore" && kind !== "delete") return [];
  const data = {
    operation: id,
    action: kind,
    backup: targetFact(operation),
    requestedBy: factActor(actor),
    expires: isoTime(approval?.expires ?? 0),
  } as const;
  const by: Actor = type === "approval.requested" ? factActor(actor) : decider ? factActor(decider) : { kind: "relay" };
  return [{ type, data: { ...data, actor: by } }];
}

function canceled({ id, kind, actor, target, error }: Operation, by: OperationActor | null): EventDraft[] {
  if (kind !== "create" && kind !== "restore" && kind !== "delete") return [];
  const data = { operation: id, action: kind, name: target.key, requestedBy: factActor(actor) } as const;
  const reason = error && eventFault(error);
  return [
    { type: "operation.canceled", data: { ...data, error: reason, actor: by ? factActor(by) : { kind: "relay" } } },
  ];
}

const restoreAccepted = (restore: Restore): EventDraft => ({
  type: "restore.accepted",
  data: { ...about(restore), safetyBackup: safetyFact(restore) },
});

function ended(operation: Operation): EventDraft[] {
  if (isRestore(operation)) return restoreEnded(operation);
  const { kind, state, error } = operation;
  // A create that was refused before it was sent is the caller's mistake, not a failed backup.
  if (kind !== "create" || state !== "failed" || !error || !wasSent(operation)) return [];
  const { key } = operation.target;
  const data = { name: key, cause: "request" as const, error: eventFault(error), operation: operation.id };
  return [{ type: "backup.failed", data: { ...data, actor: factActor(operation.actor) } }];
}

function restoreEnded(restore: Restore): EventDraft[] {
  const { state, error, data, result } = restore;
  const shared = {
    ...about(restore),
    safetyBackup: safetyFact(restore),
    downtimeMs: data.end?.downtimeMs ?? null,
  };
  if (state === "succeeded") {
    const evidence = String(result?.evidence ?? "");
    const undoUntil = typeof result?.undoUntil === "string" ? result.undoUntil : null;
    return [{ type: "restore.completed", data: { ...shared, evidence, undoUntil } }];
  }
  if (!error) return [];
  if (state === "failed") return [{ type: "restore.failed", data: { ...shared, error: eventFault(error) } }];
  if (state !== "unknown") return [];
  const steps = Array.isArray(result?.steps) ? result.steps.map(String) : [];
  return [{ type: "restore.unknown", data: { ...shared, error: eventFault(error), steps } }];
}

const about = (operation: Operation) => ({
  backup: targetFact(operation),
  operation: operation.id,
  actor: factActor(operation.actor),
});

/** What is lost by restoring a backup is all since it was made. */
const targetFact = ({ target: { key, size = 0, modified = "" }, preview }: Operation): BackupFact => ({
  ...backupFact(versionOf({ key, size, modified })),
  ...(preview?.losesSince ? { madeAt: preview.losesSince } : {}),
});

const safetyFact = ({ data: { safety } }: Restore): BackupFact | null => safety && backupFact(versionOf(safety));
