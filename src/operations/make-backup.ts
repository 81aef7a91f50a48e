import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Listing } from "../upstream/backups-api.ts";
import { nameExists } from "./name-exists.ts";
import type { Work } from "./work.ts";

/** A backup that takes longer than this is not waited for. */
const SETTLE_MS = 3_600_000;
/** An idle server that does not list the file for this long, over at least three looks, did not make it. S3 lists may lag. */
const ABSENT_MS = 5_000;
/** The same when the server answered that it made it: its store may be slow to show it. */
const ANSWERED_ABSENT_MS = 20_000;
const ABSENT_LOOKS = 3;
/** How long the server's log is asked for the reason of a failure; a row shows up 3 s after the last logged request. */
const REASON_MS = 6_000;

type Made = { key: string; size: number; modified: string };
/** `settled: false`: it could not be found out whether there is a backup. */
type NotMade = { problem: Problem; settled: boolean };

type Tools = Pick<Work, "api" | "look" | "may" | "clock" | "sleep" | "pausePolling">;

type Steps = {
  /** An earlier run may have sent the request: look, never send again. */
  alreadySent: boolean;
  /** Written before the request goes out. */
  sending: () => void;
  sent: (detail: string) => void;
};

const notMade = (reason: Problem, settled = true) => fail({ problem: reason, settled });

/**
 * Has the server make a backup of this name. Its answer is only a hint: a 204 may come without a file (a hook that forgot
 * `e.next()`), and a lost answer may stand for a whole one (facts: upstream §1.2). So the end is always what the list
 * shows. Never sends twice.
 */
export async function makeBackup(work: Tools, key: string, steps: Steps): Promise<Result<Made, NotMade>> {
  if (steps.alreadySent) return settle(work, key, false);
  const before = await work.look();
  if (!before.ok) return notMade(before.error.problem);
  if (listed(before.value, key)) return notMade(await taken(work));
  const refused = work.may("create", key);
  if (refused) return notMade(refused);
  steps.sending();
  const sentAt = work.clock();
  const answer = await work.api.create(key);
  if (!answer.ok && !answer.error.unclear) return notMade(await refusal(work, key, answer.error.problem));
  steps.sent(answer.ok ? "answered" : "answer lost");
  const made = await settle(work, key, answer.ok);
  if (made.ok || answer.ok || answer.error.problem.code !== "create_failed") return made;
  const { serverTime } = before.value;
  const skewMs = serverTime === null ? 0 : serverTime - sentAt;
  return notMade(await explained(work, answer.error.problem, sentAt + skewMs - 2_000), made.error.settled);
}

/** The server answered that it failed. The reason stands only in its log. */
async function explained(work: Tools, failed: Problem, since: number): Promise<Problem> {
  work.pausePolling();
  const until = work.clock() + REASON_MS;
  while (work.clock() < until) {
    await work.sleep(1_000);
    const logged = await work.api.createFailure(since);
    // The message stays PocketBase's own, which SDKs match on.
    if (logged.ok && logged.value) return { ...failed, hint: `${logged.value.message} ${logged.value.hint}` };
    if (!logged.ok) break;
  }
  return failed;
}

async function settle(work: Tools, key: string, answered: boolean): Promise<Result<Made, NotMade>> {
  const began = work.clock();
  let absentLooks = 0;
  let absentSince = 0;
  let scratch: number | null = null;
  for (let pause = answered ? 100 : 1_000; work.clock() - began < SETTLE_MS; pause = Math.min(pause * 2, 5_000)) {
    const health = await work.api.health();
    const listing = await work.look();
    const idle = health.ok && health.value.idle !== false;
    if (listing.ok) {
      const found = listed(listing.value, key);
      const before = scratch;
      scratch = scratchSize(listing.value, key);
      // A server that died in the middle leaves its scratch file for ever, so only one that grows is being written.
      const writing = scratch !== null && scratch !== before;
      if (found && (idle || answered)) return ok({ key, size: found.size, modified: found.modified });
      if (!found && idle && !writing) {
        absentLooks++;
        absentSince ||= work.clock();
        const enough = answered ? ANSWERED_ABSENT_MS : ABSENT_MS;
        if (absentLooks >= ABSENT_LOOKS && work.clock() - absentSince >= enough)
          return notMade(problem(answered ? "create_vanished" : "create_lost"));
      } else {
        absentLooks = 0;
        absentSince = 0;
      }
    }
    await work.sleep(pause);
  }
  return notMade(problem("create_unsettled"), false);
}

/** `validation_backup_name_exists` also comes when the server cannot reach its S3 store: only the list shows which. */
async function refusal(work: Tools, key: string, refused: Problem): Promise<Problem> {
  if (refused.data?.name?.code !== nameExists.create.name.code) return refused;
  const listing = await work.look();
  if (!listing.ok) return listing.error.problem;
  return listed(listing.value, key) ? refused : problem("upstream_storage_failed");
}

/** PocketBase looks at its lock before it looks at names. */
async function taken(work: Tools): Promise<Problem> {
  const health = await work.api.health();
  if (health.ok && health.value.idle === false) return problem("upstream_busy");
  return problem("backup_name_exists", { data: nameExists.create });
}

const listed = (listing: Listing, key: string) => listing.items.find((item) => item.key === key);

/** While the server copies a finished archive into its store, the list shows `KEY.<hex>.tmp`; null when it does not. */
function scratchSize(listing: Listing, key: string): number | null {
  const scratch = listing.items.filter((item) => item.key.startsWith(`${key}.`) && item.key.endsWith(".tmp"));
  return scratch.length === 0 ? null : scratch.reduce((sum, { size }) => sum + size, 0);
}
