import * as z from "zod";
import { actor, backup, count, fault, kind, operation, sample, time } from "./shapes.ts";

const asked = { backup, operation: operation.optional() };
const outcome = {
  ...asked,
  safetyBackup: backup.nullable().describe("The backup made just before; null when it was left out on request."),
  downtimeMs: count.nullable().describe("How long the server did not answer; null when it was not seen away."),
};
const decision = {
  operation,
  action: z.enum(["restore", "delete"]),
  backup,
  requestedBy: actor,
  expires: time,
};
const decided = {
  operation: sample.operation,
  action: "restore" as const,
  backup: sample.backup,
  requestedBy: sample.key,
  expires: "2026-11-22T10:15:00.000Z",
};

/** Restores, which the server accepts before it starts them. */
export const restoreKinds = {
  "restore.accepted": kind(
    "The server took the request to restore. Nothing more: the outcome follows as another event.",
    { ...asked, safetyBackup: outcome.safetyBackup },
    { backup: sample.backup, safetyBackup: sample.safety, actor: sample.key, operation: sample.operation },
  ),
  "restore.completed": kind(
    "The server runs on the restored data; `evidence` says how that is known.",
    { ...outcome, evidence: z.string(), undoUntil: time.nullable().describe("Until when the relay can take it back.") },
    {
      backup: sample.backup,
      safetyBackup: sample.safety,
      evidence: "canary",
      downtimeMs: 84,
      undoUntil: "2026-11-23T10:00:05.000Z",
      actor: sample.key,
      operation: sample.operation,
    },
  ),
  "restore.failed": kind(
    "The server kept its old data.",
    { ...outcome, error: fault },
    {
      backup: sample.backup,
      safetyBackup: sample.safety,
      downtimeMs: null,
      error: { code: "restore_failed", message: "The server's log says: zip: checksum error." },
      actor: sample.key,
      operation: sample.operation,
    },
  ),
  "restore.unknown": kind(
    "Nothing proves whether the restore happened. `steps` say how to find out and how to put the old data back.",
    { ...outcome, error: fault, steps: z.array(z.string()) },
    {
      backup: sample.backup,
      safetyBackup: sample.safety,
      downtimeMs: null,
      error: { code: "restore_unknown", message: "The server did not come back within 10 minutes." },
      steps: [
        "The old data lies in pb_data/.pb_temp_to_delete/ on the server.",
        "Stop the server, move it back, start.",
      ],
      actor: sample.key,
      operation: sample.operation,
    },
  ),
};

/** Requests that were taken back. */
export const cancellationKinds = {
  "operation.canceled": kind(
    "A request ended before anything was sent to the server: somebody canceled it, or the key that asked may not have it any more.",
    {
      operation,
      action: z.enum(["create", "restore", "delete"]),
      name: z.string().describe("The backup it was about. Text of others: never render it as markup."),
      requestedBy: actor,
      error: fault.nullable().describe("Why the relay ended it; null when a caller did."),
    },
    {
      operation: sample.operation,
      action: "delete",
      name: sample.backup.key,
      requestedBy: sample.key,
      error: { code: "requester_revoked", message: "The key that asked for this may not have it any more." },
      actor: sample.relay,
    },
  ),
};

/** Requests that wait for another principal. */
export const approvalKinds = {
  "approval.requested": kind("A destructive request waits for somebody else's yes.", decision, {
    ...decided,
    actor: sample.key,
  }),
  "approval.granted": kind("Another principal said yes; `actor` is who.", decision, {
    ...decided,
    actor: sample.approver,
  }),
  "approval.denied": kind("Another principal said no; `actor` is who.", decision, {
    ...decided,
    actor: sample.approver,
  }),
  "approval.expired": kind("Nobody decided in time; nothing was done.", decision, { ...decided, actor: sample.relay }),
};
