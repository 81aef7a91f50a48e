/** While anything is in flight an alarm is set this far ahead, ms: what a kill interrupts goes on then. */
export const WATCH_MS = 5_000;

/** What the time of an endpoint's next alarm depends on; times in ms. */
type AlarmFacts = {
  now: number;
  /** No request is in flight, the instance is not being asked, and there is nothing to report to it. */
  idle: boolean;
  /** The instance said that nothing may be sent now. It notifies when that changes. */
  inactive: boolean;
  /** The secrets cannot be opened. */
  locked: boolean;
  /** There is something to be sent, or to be read of the ledger. */
  work: boolean;
  /** No more requests may leave before the next alarm. */
  spent: boolean;
  /** Nothing starts before: the receiver, the rate or the instance asks for it. */
  pause: number;
  /** The earliest delivery that waits for its next attempt; 0 when that is to be looked up, null for none. */
  nextDue: number | null;
};

/** When an endpoint's alarm is to come; null for never. */
export function alarmTime({ now, idle, inactive, locked, work, spent, pause, nextDue }: AlarmFacts): number | null {
  if (idle && inactive) return null;
  if (idle && locked) return now + 60 * WATCH_MS;
  if (work && !inactive && spent) return Math.max(now, pause);
  if (idle && !work) return nextDue === null ? null : Math.max(nextDue, pause);
  if (idle && pause > now) return pause;
  const retry = !inactive && nextDue !== null && nextDue > now ? Math.max(nextDue, pause) : Number.POSITIVE_INFINITY;
  return Math.min(now + WATCH_MS, retry);
}
