/** The longest wait that a receiver can ask for. */
export const LONGEST_WAIT_MS = 86_400_000;

const TIME = "\\d{2}:\\d{2}:\\d{2}";
const DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
const IMF = new RegExp(`^${DAY}, (\\d{2} \\w{3} \\d{4} ${TIME} GMT)$`);
const RFC850 = new RegExp(`^${LONG_DAY}, (\\d{2})-(\\w{3})-(\\d{2}) (${TIME} GMT)$`);
const ASCTIME = new RegExp(`^${DAY} (\\w{3}) ([ \\d]\\d) (${TIME}) (\\d{4})$`);

/**
 * How long a receiver asks to be left alone, in ms from `at` (ms), between 0 and 24 hours; 0 when it does not ask, or not
 * readably. `Retry-After` is seconds or a date in any of HTTP's three forms (RFC 9110 §5.6.7, §10.2.3).
 * Fractions are taken too, because chat platforms send them; several values joined by commas count as the longest. A date
 * is measured against the receiver's own `Date` where it sent one, so that its wrong clock does no harm.
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

/** A date in one of HTTP's three forms, in ms; null for anything else, and for a day that does not exist. */
export function readHttpDate(text: string, at: number): number | null {
  // `Date` knows no leap seconds.
  const date = asImfDate(text, at)?.replace(/:60 GMT$/, ":59 GMT");
  if (date === undefined) return null;
  const time = Date.parse(date);
  // `Date.parse` takes more than HTTP allows, such as 31 Feb: then it writes another date than it read.
  return !Number.isNaN(time) && new Date(time).toUTCString().endsWith(`, ${date}`) ? time : null;
}

/** The date as in `Mon, 23 Nov 2026 12:05:00 GMT`, without the day of the week. */
function asImfDate(text: string, at: number): string | undefined {
  const asctime = ASCTIME.exec(text);
  if (asctime) return `${asctime[2]!.replace(" ", "0")} ${asctime[1]} ${asctime[4]} ${asctime[3]} GMT`;
  const rfc850 = RFC850.exec(text);
  if (!rfc850) return IMF.exec(text)?.[1];
  // RFC 9110 §5.6.7: two digits that would lie more than 50 years ahead mean the past century.
  const thisYear = new Date(at).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(rfc850[3]);
  return `${rfc850[1]} ${rfc850[2]} ${year > thisYear + 50 ? year - 100 : year} ${rfc850[4]}`;
}

/**
 * The same from the body of a 429, where chat platforms write it: Discord's `retry_after`, Telegram's
 * `parameters.retry_after`, both in seconds. `snippet` is the start of the body.
 */
export function readBodyRetryAfter(snippet: string, at: number): number {
  const found = /"retry_after"\s*:\s*(\d+(?:\.\d+)?)/.exec(snippet);
  return found ? readRetryAfter(found[1]!, at) : 0;
}
