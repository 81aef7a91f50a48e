import type { MadeAt } from "../archive/made.ts";
import type { NoBackup, Verified } from "./made-at.ts";

/** What is known of a listed file: when it was made, what was found in it, and why it does not count, if so. */
export type Judged = { madeAt: MadeAt; verified: Verified; noBackup: NoBackup };

/** So many that do not count are named; a store full of them is no reason for an endless answer. */
const MOST_SKIPPED = 20;

export type Newest<B> = {
  /** The newest backup that counts; null when there is none. */
  newest: (B & Judged) | null;
  /** Files newer than that which do not count, newest first. */
  skipped: (B & Judged)[];
};

/**
 * The newest of the backups that count. `latestAt` is cheap and says when one was made at the latest, `judge` looks at all
 * that is known of it: only those are judged that may be the newest.
 */
export function newestOf<B extends { key: string }>(
  backups: readonly B[],
  latestAt: (backup: B) => number,
  judge: (backup: B) => Judged,
): Newest<B> {
  const bounded = backups.map((backup) => ({ backup, bound: latestAt(backup) }));
  bounded.sort((one, other) => other.bound - one.bound || (one.backup.key < other.backup.key ? -1 : 1));
  let newest: (B & Judged) | null = null;
  const passed: (B & Judged)[] = [];
  for (const { backup, bound } of bounded) {
    if (newest && bound <= newest.madeAt.at) break;
    const judged = { ...backup, ...judge(backup) };
    if (judged.noBackup !== null) passed.push(judged);
    else if (!newest || judged.madeAt.at > newest.madeAt.at) newest = judged;
  }
  const since = newest?.madeAt.at ?? Number.NEGATIVE_INFINITY;
  const skipped = passed
    .filter(({ madeAt }) => madeAt.at > since)
    .sort((one, other) => other.madeAt.at - one.madeAt.at);
  return { newest, skipped: skipped.slice(0, MOST_SKIPPED) };
}
