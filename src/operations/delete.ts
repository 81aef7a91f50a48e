import { type Problem, problem } from "../base/problem.ts";
import { entryOf } from "../upstream/backups-api.ts";
import { stillBound } from "./approval.ts";
import type { Ending } from "./operation.ts";
import { type Work, wasSent } from "./work.ts";

const LOOKS = 5;

/** Deletes one backup. After a lost answer the list decides: it is done when two lists lack it, and failed when the last still shows it. */
export async function runDelete(work: Work): Promise<Ending> {
  const key = work.operation.target.key;
  let refusal: Problem | null = null;
  if (!wasSent(work.operation)) {
    const changed = await changedSinceApproval(work);
    if (changed) return { state: "failed", error: changed };
    const inUse = work.may("delete", key);
    if (inUse) return { state: "failed", error: inUse };
    work.step("sent", "running");
    const answer = await work.api.delete(key);
    if (answer.ok) {
      work.step("sent", "done");
      return { state: "succeeded", result: {} };
    }
    work.step("sent", "failed");
    if (!answer.error.unclear) return { state: "failed", error: answer.error.problem };
    // The server says that it could not remove it: a list that still shows it is believed at once.
    if (answer.error.problem.code === "backup_deleted") refusal = answer.error.problem;
  }
  // One list without it may be old or wrong; two in a row are believed.
  let there: boolean | null = null;
  for (let look = 0; look < LOOKS; look++) {
    if (look > 0) await work.sleep(1_000 * look);
    const listing = await work.look();
    // What an earlier list showed may be over by now: two looks that agree have none between them that failed.
    if (!listing.ok) there = null;
    else {
      const listed = listing.value.items.some((item) => item.key === key);
      if (there === false && !listed) return { state: "succeeded", result: {} };
      if (refusal && listed) return { state: "failed", error: refusal };
      there = listed;
    }
  }
  return there === true
    ? { state: "failed", error: problem("delete_lost") }
    : { state: "unknown", error: problem("delete_unsettled") };
}

/** SECURITY 18: what was approved is deleted, not what has its name now. */
async function changedSinceApproval({ operation, look }: Work): Promise<Problem | null> {
  const { binding, target } = operation;
  if (!binding) return null;
  const listing = await look();
  if (!listing.ok) return listing.error.problem;
  const found = entryOf(listing.value.items, target.key);
  if (!found.ok) return found.error;
  const bound = stillBound(binding, found.value && { ...found.value, directorySha256: null });
  return bound.ok ? null : bound.error;
}
