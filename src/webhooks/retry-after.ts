import { readHttpDate } from "../http/date.ts";

/** The longest wait that a receiver can ask for. */
export const LONGEST_WAIT_MS = 86_400_000;

/**
 * How long a receiver asks the sender to wait, in ms from `at` (ms), between 0 and 24 hours; 0 when it asks nothing or
 * nothing that can be read. `Retry-After` is seconds or a date (RFC 9110 §10.2.3). Fractions of seconds are taken too,
 * because chat platforms send them; of several values joined by commas the longest counts. A date is measured against the
 * receiver's own `Date` where it sent one, so that its wrong clock does no harm.
 */
export function readRetryAfter(value: string | null, at: number, serverDate: string | null = null): number {
  if (value === null) return 0;
  const text = value.trim();
  const seconds = text.split(",").map((part) => part.trim());
  if (seconds.every((part) => /^\d+(\.\d+)?$/.test(part)))
    return Math.min(LONGEST_WAIT_MS, Math.ceil(Math.max(...seconds.map(Number)) * 1000));
  const until = readHttpDate(text, at);
  if (until === null) return 0;
  const now = (serverDate === null ? null : readHttpDate(serverDate.trim(), at)) ?? at;
  return Math.min(LONGEST_WAIT_MS, Math.max(0, until - now));
}

/**
 * The same from the body of a 429, where chat platforms write it: Discord's `retry_after`, Telegram's
 * `parameters.retry_after`, both in seconds. `snippet` is the start of the body.
 */
export function readBodyRetryAfter(snippet: string, at: number): number {
  const found = /"retry_after"\s*:\s*(\d+(?:\.\d+)?)/.exec(snippet);
  return found ? readRetryAfter(found[1]!, at) : 0;
}
