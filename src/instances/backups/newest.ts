import { matcher } from "../../access/pattern.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { NoBackup } from "../../observing/made-at.ts";
import type { Newest } from "../../observing/newest.ts";
import type { ListedBackup } from "../../upstream/backups-api.ts";
import { type Judge, type Version, versionOf } from "../observing/judge.ts";

/** The newest backup of a pattern, not older than so many seconds. */
export type NewestRequest = { pattern: string | null; maxAgeSeconds: number | null };

type Listed = Version & { listed: ListedBackup };
export type Found = Newest<Listed> & { newest: NonNullable<Newest<Listed>["newest"]> };

/** Why a file newer than the newest backup does not count, for people. */
export const NO_BACKUP: { [why in NonNullable<NoBackup>]: string } = {
  not_zip: "Its name does not end with .zip.",
  ambiguous: "The server lists more than one file of this name.",
  empty: "It is empty.",
  suspect: "It was looked into and may be worthless.",
  false_time: "Its time is still to come, and it was not looked into.",
};

/**
 * The newest backup that counts, and what is newer and does not. With `maxAgeSeconds` it answers monitors: one that is too
 * old is a problem, and so is a newer one that may be worthless.
 */
export function newestFor(
  listed: readonly ListedBackup[],
  { pattern, maxAgeSeconds }: NewestRequest,
  judge: Judge,
  now: number,
): Result<Found, Problem> {
  const wanted = matcher([pattern ?? "*"]);
  const candidates = listed.filter(({ key }) => wanted(key) && !key.endsWith(".tmp"));
  const { newest, skipped } = judge.newest(candidates.map((each) => ({ ...versionOf(each), listed: each })));
  const suspect = skipped.find(({ noBackup }) => noBackup === "suspect");
  if (suspect && maxAgeSeconds !== null) {
    const message = newest
      ? `A newer backup than ${newest.key} may be worthless: ${suspect.key}.`
      : `The only backup may be worthless: ${suspect.key}.`;
    return fail(problem("backup_suspect", { message, data: named("backup_suspect", suspect.key) }));
  }
  if (!newest) {
    const [first] = skipped;
    return fail(problem("backup_not_found", first ? { hint: `${first.key}: ${NO_BACKUP[first.noBackup!]}` } : {}));
  }
  const ageSeconds = (now - newest.madeAt.at) / 1000;
  if (maxAgeSeconds === null || ageSeconds <= maxAgeSeconds) return ok({ newest, skipped });
  const message = `The newest backup is ${Math.round(ageSeconds)} s old and may be ${maxAgeSeconds} s old.`;
  return fail(problem("backup_overdue", { message, data: named("backup_overdue", newest.key) }));
}

const named = (code: string, key: string) => ({ backup: { code, message: key } });
