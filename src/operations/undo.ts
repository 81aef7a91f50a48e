import { isWithin } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { LastRestore } from "../observing/reachability.ts";
import type { Operation } from "./operation.ts";
import { isRestore, type Restore, type SafetyCopy } from "./restore-data.ts";
import type { LookBeforeRestore } from "./restore-preflight.ts";

/** A list may still be answered for this long after a restore was sent: the server restarts first. */
const LOOK_MS = 60_000;

/** A restore can be undone, and its safety copy is kept, this long after its request was sent. */
export const UNDO_MS = 24 * 3_600_000;

/**
 * Whether a restore can be undone now by restoring its safety copy (SECURITY 19), which the answer names; else
 * `undo_unavailable` in words. `newest` is the id of the newest restore that was sent to the server, an undo included.
 * `seen` is the copy as the server has it now, null when it is gone; a look that failed is the answer itself. Rights, quota
 * and approval are those of a restore.
 */
export function undoable(
  restore: Operation,
  newest: string,
  seen: Result<SafetyCopy | null, Problem>,
  now: number,
): Result<SafetyCopy, Problem> {
  const refusal = (message: string) => fail(problem("undo_unavailable", { message }));
  if (!isRestore(restore)) return refusal("Only a restore can be undone.");
  const sent = sentAt(restore);
  if (sent === null) return refusal("The restore was never sent to the server; there is nothing to undo.");
  if (restore.state === "running") return refusal("The restore is still running; wait for its outcome.");
  if (restore.state === "failed") return refusal("The restore failed and changed nothing; there is nothing to undo.");
  if (restore.id !== newest) return refusal("Another restore came after it; only the newest one can be undone.");
  if (!isWithin(sent, UNDO_MS, now)) return refusal("The restore is more than 24 hours old.");
  if (!restore.data.safety) return refusal("The restore was made without a safety backup.");
  if (!seen.ok) return seen;
  if (!seen.value) return refusal("Its safety backup is not on the server any more.");
  const { key, size, directorySha256 } = restore.data.safety;
  const found = seen.value;
  const same = found.key === key && found.size === size && found.directorySha256 === directorySha256;
  return same ? ok(found) : refusal("Its safety backup is not the file it was.");
}

/**
 * The newest restore that reached the server after `since` (ms since the epoch; null: at any time). It is what a server
 * that no longer takes the credential has most likely been through.
 */
export function lastRestore(recent: readonly Operation[], since: number | null): LastRestore | null {
  const sent = recent.filter((each) => isRestore(each) && (sentAt(each) ?? 0) > (since ?? 0) - LOOK_MS).at(-1);
  return sent ? { operation: sent.id, key: sent.target.key } : null;
}

/** The copy as a look before its restore saw it, null when the server does not list it; or why it could not be seen. */
export function seenCopy({ preflight, unseen }: LookBeforeRestore): Result<SafetyCopy | null, Problem> {
  const failed = unseen.idle ?? unseen.archive;
  if (failed) return fail(failed);
  const { backup, archive } = preflight;
  return ok(backup && { ...backup, directorySha256: archive?.directorySha256 ?? "" });
}

/** Until when a restore's safety backup is kept, so that it can be undone, ms since the epoch; null before it began. */
export function keptUntil(restore: Restore): number | null {
  const since = sentAt(restore) ?? restore.started;
  return since === null ? null : since + UNDO_MS;
}

/** When the request went to the server; null when it never did. */
function sentAt(operation: Operation): number | null {
  return operation.steps.findLast(({ name }) => name === "sent")?.at ?? null;
}
