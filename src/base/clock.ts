/** Milliseconds since the Unix epoch. Passed in wherever time matters, so that tests own it. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();

/** RFC 3339 in UTC with milliseconds, the only way the relay writes a time of its own. */
export const isoTime = (at: number): string => new Date(at).toISOString();

/** Clocks are set by this much now and then, ms: a time that is no further ahead is as good as now. */
const CLOCK_STEP_MS = 60_000;

/**
 * A stored time as far as it can be believed, never later than now: what is still to come was written while a clock ran
 * ahead. Null: not known.
 */
export const pastOrUnknown = (at: number | null, now: number): number | null =>
  at === null || at > now + CLOCK_STEP_MS ? null : Math.min(at, now);

/** Whether a window of `ms` that began at `at` is still open. One that was opened by a clock that ran ahead is over. */
export const isWithin = (at: number, ms: number, now: number): boolean => Math.abs(now - at) < ms;

/** When something is due that is never put off by more than `ms`, `Infinity` for never: what is further ahead is due now. */
export const dueWithin = (at: number, ms: number, now: number): number =>
  at > now + ms && at !== Number.POSITIVE_INFINITY ? now : at;
