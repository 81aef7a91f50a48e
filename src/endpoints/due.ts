/** While anything is under way an alarm stands this far ahead, ms: what a kill interrupts goes on then. */
export const WATCH_MS = 5_000;

/** An endpoint as its clock sees it; times in ms. */
export type Standing = {
  now: number;
  /** Nothing is under way, neither a request nor a question to the instance. */
  idle: boolean;
  /** The instance said that nothing may be sent now: it will tell when that changes. */
  silent: boolean;
  /** The secrets cannot be opened. */
  locked: boolean;
  /** There is something to be sent, or to be read of the ledger. */
  work: boolean;
  /** This turn of the platform may make no more requests: an alarm that comes at once has the next ones. */
  spent: boolean;
  /** Nothing starts before: the receiver, the rate or the instance asks for it. */
  pause: number;
  /** The earliest delivery that waits for its next attempt; 0 when that is to be found out, null for none. */
  nextDue: number | null;
};

/** When an endpoint's alarm is to come; null for never. */
export function whenDue({ now, idle, silent, locked, work, spent, pause, nextDue }: Standing): number | null {
  if (idle && silent) return null;
  if (idle && locked) return now + 60 * WATCH_MS;
  if (work && !silent && spent) return Math.max(now, pause);
  if (idle && !work) return nextDue === null ? null : Math.max(nextDue, pause);
  if (idle && pause > now) return pause;
  const retry = !silent && nextDue !== null && nextDue > now ? Math.max(nextDue, pause) : Number.POSITIVE_INFINITY;
  return Math.min(now + WATCH_MS, retry);
}
