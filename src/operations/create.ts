import { type Problem, problem } from "../base/problem.ts";
import type { Listing } from "../upstream/backups-api.ts";
import type { Ending } from "./operation.ts";
import { type Work, wasSent } from "./work.ts";

/** The server cuts its own answer at 5 minutes but works on; after that only looking helps. */
const ANSWER_MS = 310_000;
/** Work that goes on longer than this is not waited for any more: the end is `unknown`. */
const SETTLE_MS = 3_600_000;
/** An idle server that does not list the file for this long, over at least three looks, did not make it. S3 lists may lag. */
const ABSENT_MS = 5_000;
const ABSENT_LOOKS = 3;

/**
 * Makes one backup and stays until it is known what became of it. The server's answer is only a hint: a 204 may come
 * without a file (a hook that forgot `e.next()`), and a lost answer may stand for a whole one (facts: upstream §1.2).
 * So the end is always what the list shows. Never sends twice.
 */
export async function runCreate(work: Work): Promise<Ending> {
  const key = work.operation.target.key;
  let answered = false;
  if (!wasSent(work.operation)) {
    const before = await work.look();
    if (!before.ok) return { state: "failed", error: before.error.problem };
    if (listed(before.value, key)) return { state: "failed", error: nameTaken() };
    work.step("sent", "running");
    const answer = await work.api.create(key, AbortSignal.timeout(ANSWER_MS));
    answered = answer.ok;
    if (!answer.ok && !answer.error.unclear) {
      work.step("sent", "failed");
      return { state: "failed", error: await refusal(work, answer.error.problem) };
    }
    work.step("sent", "done", answered ? "answered" : "answer lost");
  }
  return settle(work, answered);
}

async function settle(work: Work, answered: boolean): Promise<Ending> {
  const key = work.operation.target.key;
  const began = work.clock();
  let absentLooks = 0;
  let absentSince = 0;
  for (let pause = answered ? 100 : 1_000; work.clock() - began < SETTLE_MS; pause = Math.min(pause * 2, 5_000)) {
    const health = await work.api.health();
    const listing = await work.look();
    const idle = health.ok && health.value.idle !== false;
    if (listing.ok) {
      const found = listed(listing.value, key);
      if (found && (idle || answered)) {
        work.step("listed", "done");
        return { state: "succeeded", result: { backup: { key, size: found.size, modified: found.modified } } };
      }
      if (!found && idle && !beingWritten(listing.value, key)) {
        absentLooks++;
        absentSince ||= work.clock();
        if (absentLooks >= ABSENT_LOOKS && work.clock() - absentSince >= ABSENT_MS) {
          work.step("listed", "failed");
          return { state: "failed", error: problem(answered ? "create_vanished" : "create_lost") };
        }
      } else {
        absentLooks = 0;
        absentSince = 0;
      }
    }
    await work.sleep(pause);
  }
  return { state: "unknown", error: problem("create_unsettled") };
}

/** `validation_backup_name_exists` also comes when the server cannot reach its S3 store: only the list tells which. */
async function refusal(work: Work, refused: Problem): Promise<Problem> {
  if (refused.data?.name?.code !== "validation_backup_name_exists") return refused;
  const listing = await work.look();
  if (listing.ok && listed(listing.value, work.operation.target.key)) return refused;
  return problem("upstream_storage_failed");
}

const nameTaken = () =>
  problem("backup_name_exists", {
    data: {
      name: {
        code: "validation_backup_name_exists",
        message: "The backup file name is invalid or already exists.",
      },
    },
  });

const listed = (listing: Listing, key: string) => listing.items.find((item) => item.key === key);

/** While the server copies a finished archive into its store, the list shows `KEY.<hex>.tmp`. */
const beingWritten = (listing: Listing, key: string) =>
  listing.items.some((item) => item.key.startsWith(`${key}.`) && item.key.endsWith(".tmp"));
