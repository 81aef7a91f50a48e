import { isoTime } from "../../base/clock.ts";
import { readServerTime } from "../../base/server-time.ts";
import type { Actor, BackupFact } from "../../ledger/catalogue/shapes.ts";
import type { EventDraft } from "../../ledger/event.ts";
import { faultOf } from "../../observing/reachability.ts";
import type { Operation, OperationActor, RestoreData } from "../../operations/operation.ts";
import { wasSent } from "../../operations/work.ts";

/** What of an operation's change is worth an event; null: nothing, or the observer will find it. */
export type Telling =
  | "approval.requested"
  | "approval.granted"
  | "approval.denied"
  | "approval.expired"
  | "ended"
  | null;

/** Who, for readers of the ledger: the principal stays inside. */
export const factActor = ({ kind, id, name }: OperationActor): Actor => ({
  kind,
  ...(id ? { id } : {}),
  ...(name ? { name } : {}),
});

/** The events that a change of this operation makes. */
export function told(operation: Operation, telling: Telling, decider: OperationActor | null): EventDraft[] {
  if (telling === null) return [];
  if (telling === "ended") return ended(operation);
  const { id, kind, actor, approval } = operation;
  const data = {
    operation: id,
    action: kind === "restore" ? ("restore" as const) : ("delete" as const),
    backup: targetFact(operation),
    requestedBy: factActor(actor),
    expires: isoTime(approval?.expires ?? 0),
  };
  const by: Actor =
    telling === "approval.requested" ? factActor(actor) : decider ? factActor(decider) : { kind: "relay" };
  return [{ type: telling, data: { ...data, actor: by } }];
}

/** The server took the request; the outcome follows. */
export const restoreAccepted = (operation: Operation): EventDraft => ({
  type: "restore.accepted",
  data: { ...about(operation), safetyBackup: safetyFact(operation.restore) },
});

function ended(operation: Operation): EventDraft[] {
  const { kind, state, error } = operation;
  if (kind === "restore") return restoreEnded(operation);
  // A name that was refused from the start is the caller's mistake and no failure of backups.
  if (kind !== "create" || state !== "failed" || !error || !wasSent(operation)) return [];
  const { key } = operation.target;
  const data = { name: key, cause: "request" as const, error: faultOf(error), operation: operation.id };
  return [{ type: "backup.failed", data: { ...data, actor: factActor(operation.actor) } }];
}

function restoreEnded(operation: Operation): EventDraft[] {
  const { state, error, restore, result } = operation;
  const shared = {
    ...about(operation),
    safetyBackup: safetyFact(restore),
    downtimeMs: restore?.end?.downtimeMs ?? null,
  };
  if (state === "succeeded") {
    const evidence = String(result?.evidence ?? "");
    const undoUntil = typeof result?.undoUntil === "string" ? result.undoUntil : null;
    return [{ type: "restore.completed", data: { ...shared, evidence, undoUntil } }];
  }
  if (!error) return [];
  if (state === "failed") return [{ type: "restore.failed", data: { ...shared, error: faultOf(error) } }];
  if (state !== "unknown") return [];
  const steps = Array.isArray(result?.steps) ? result.steps.map(String) : [];
  return [{ type: "restore.unknown", data: { ...shared, error: faultOf(error), steps } }];
}

const about = (operation: Operation) => ({
  backup: targetFact(operation),
  operation: operation.id,
  actor: factActor(operation.actor),
});

const fact = (key: string, size: number, modified: string): BackupFact => {
  const at = readServerTime(modified);
  return { key, size, modified: at === null ? null : isoTime(at) };
};

const targetFact = ({ target }: Operation): BackupFact => fact(target.key, target.size ?? 0, target.modified ?? "");

const safetyFact = (restore: RestoreData | null): BackupFact | null =>
  restore?.safety ? fact(restore.safety.key, restore.safety.size, restore.safety.modified) : null;
