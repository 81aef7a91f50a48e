/** The watchdog wakes every instance once in so many minutes, a group of them in each, so that they do not all look at once. */
export const GROUPS = 5;
const MINUTE_MS = 60_000;

const ALL = Array.from({ length: GROUPS }, (_, group) => group);

/** The group an instance belongs to, by its random id. */
export const groupOf = (id: string): number =>
  [...id].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 9973, 7) % GROUPS;

/**
 * The groups whose turn it is at `at`: those of every minute begun since the last round, all of them when that is long
 * ago, unknown, or to come by a clock that ran ahead. Two callers in one minute (the cron trigger and the alarm) wake nobody twice.
 */
export function turnOf(at: number, lastRound: number | null): readonly number[] {
  const minute = Math.floor(at / MINUTE_MS);
  const begun = lastRound === null ? GROUPS : minute - Math.floor(lastRound / MINUTE_MS);
  if (Math.abs(begun) >= GROUPS) return ALL;
  return ALL.slice(0, Math.max(0, begun)).map((back) => (minute - back) % GROUPS);
}
