/** Milliseconds since the Unix epoch. Passed in wherever time matters, so that tests own it. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();

/** RFC 3339 in UTC with milliseconds, the only way the relay writes a time of its own. */
export const isoTime = (at: number): string => new Date(at).toISOString();
