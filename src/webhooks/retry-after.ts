/** The longest wait that a receiver can ask for. */
export const LONGEST_WAIT_MS = 86_400_000;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MONTH = `(${MONTHS.join("|")})`;
const CLOCK = "(\\d{2}):(\\d{2}):(\\d{2})";
const IMF = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d{2}) ${MONTH} (\\d{4}) ${CLOCK} GMT$`);
const RFC850 = new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\\d{2})-${MONTH}-(\\d{2}) ${CLOCK} GMT$`);
const ASCTIME = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} ([ \\d]\\d) ${CLOCK} (\\d{4})$`);

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
  const imf = IMF.exec(text);
  if (imf) return instant(imf[3]!, imf[2]!, imf[1]!, imf.slice(4));
  const asctime = ASCTIME.exec(text);
  if (asctime) return instant(asctime[6]!, asctime[1]!, asctime[2]!, asctime.slice(3));
  const rfc850 = RFC850.exec(text);
  if (!rfc850) return null;
  // RFC 9110 §5.6.7: two digits that would lie more than 50 years ahead mean the past century.
  const thisYear = new Date(at).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(rfc850[3]);
  return instant(String(year > thisYear + 50 ? year - 100 : year), rfc850[2]!, rfc850[1]!, rfc850.slice(4));
}

function instant(year: string, month: string, day: string, clock: string[]): number | null {
  const [hour, minute, second] = clock.map(Number) as [number, number, number];
  const at = new Date(Date.UTC(Number(year), MONTHS.indexOf(month), Number(day), hour, minute, Math.min(second, 59)));
  at.setUTCFullYear(Number(year));
  const exists = at.getUTCDate() === Number(day) && hour < 24 && minute < 60 && second <= 60;
  return exists ? at.getTime() : null;
}

/**
 * The same from the body of a 429, where chat platforms write it: Discord's `retry_after`, Telegram's
 * `parameters.retry_after`, both in seconds. `snippet` is the start of the body.
 */
export function readBodyRetryAfter(snippet: string, at: number): number {
  const found = /"retry_after"\s*:\s*(\d+(?:\.\d+)?)/.exec(snippet);
  return found ? readRetryAfter(found[1]!, at) : 0;
}
