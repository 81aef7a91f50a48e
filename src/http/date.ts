const DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
const MONTH = "(?<month>\\w{3})";
const TIME = "(?<time>\\d{2}:\\d{2}:\\d{2})";

/** HTTP's three forms of a date (RFC 9110 §5.6.7): the one that is sent today, and two that may still be received. */
const forms = [
  new RegExp(`^${DAY}, (?<day>\\d{2}) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY}, (?<day>\\d{2})-${MONTH}-(?<year>\\d{2}) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/**
 * A date in one of HTTP's forms, in ms since the epoch; null for anything else, and for a day that does not exist. The
 * weekday is not checked. `now` (ms) decides the century of a year with two digits.
 */
export function readHttpDate(text: string, now: number): number | null {
  const parts = forms.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
  if (!parts) return null;
  const year = parts.year!.length === 2 ? fullYear(Number(parts.year), now) : parts.year;
  // A leap second is read as the second before it, because `Date` knows none.
  const time = parts.time!.replace(/:60$/, ":59");
  const plain = `${parts.day!.replace(" ", "0")} ${parts.month} ${year} ${time} GMT`;
  const date = new Date(plain);
  // `Date` turns 31 February into 3 March: only a date that it writes as it was read exists.
  return date.toUTCString().endsWith(plain) ? date.getTime() : null;
}

/** Two digits that would lie more than 50 years ahead mean the past century. */
function fullYear(digits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + digits;
  return year > thisYear + 50 ? year - 100 : year;
}

/** Whether a text is a date in the one form that may be sent. */
export const isHttpDate = (text: string): boolean => forms[0]!.test(text) && readHttpDate(text, 0) !== null;
