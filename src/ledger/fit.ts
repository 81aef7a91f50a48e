import { Buffer } from "node:buffer";

/** Standard Webhooks advises bodies under 20 kB; the ledger's text is the body. */
export const EVENT_BYTES = 20_000;

const LONGEST_LIST = 20;

/**
 * The event as JSON text of less than `EVENT_BYTES` bytes. An event that would be longer loses the ends of its lists
 * and of its longest texts, marked by `…`: a shortened event is better than none. A backup's key (1,024 bytes at most
 * on S3) fits uncut unless there are many of them.
 */
export function fittingText<Event extends { data: object }>(event: Event): string {
  const text = JSON.stringify(event);
  if (Buffer.byteLength(text) < EVENT_BYTES) return text;
  let longest = 1024;
  for (;;) {
    const data: unknown = JSON.parse(JSON.stringify(event.data, (_, value: unknown) => cut(value, longest)));
    const shorter = JSON.stringify({ ...event, data });
    // Below 8 nearly nothing is left: only a shape with hundreds of fields would still not fit, and there is none.
    if (Buffer.byteLength(shorter) < EVENT_BYTES || longest < 8) return shorter;
    longest = Math.floor(longest / 2);
  }
}

function cut(value: unknown, longest: number): unknown {
  if (Array.isArray(value)) return value.slice(0, LONGEST_LIST);
  return typeof value === "string" && value.length > longest ? `${whole(value.slice(0, longest - 1))}…` : value;
}

/** Without the first half of a surrogate pair at the end, which JSON would carry on as an unpaired escape. */
const whole = (text: string) => text.replace(/[\ud800-\udbff]$/, "");
