/** Byte positions, both inclusive, of a representation `total` bytes long. */
export type Window = { start: number; end: number; total: number };

export const lengthOf = (window: Window): number => window.end - window.start + 1;

const natural = (text: string): number | null => {
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : null;
};

/** A `Content-Length` (RFC 9110 §8.6), or null when it is absent or no number. */
export const contentLength = (headers: Headers): number | null => natural(headers.get("Content-Length") ?? "");

/** `Content-Range: bytes 0-9/100` (RFC 9110 §14.4); null for anything else, an unknown total and `*` included. */
export function parseContentRange(text: string | null): Window | null {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(text ?? "");
  if (!match) return null;
  const [start, end, total] = match.slice(1).map(natural);
  if (start == null || end == null || total == null || start > end || end >= total) return null;
  return { start, end, total };
}

export const rangeHeader = (start: number, end: number): string => `bytes=${start}-${end}`;

/**
 * What a `Range` header (RFC 9110 §14.1.2) asks of a representation of `total` bytes: one window, or "other" for
 * everything that is answered otherwise than by 206 with one window: several ranges, none that overlaps, other units.
 */
export function requestedWindow(range: string, total: number): Window | "other" {
  const match = /^bytes=[ \t]*(\d*)[ \t]*-[ \t]*(\d*)[ \t]*$/.exec(range);
  if (!match) return "other";
  const [first, last] = [match[1]!, match[2]!];
  if (first === "") {
    const suffix = natural(last);
    return suffix === null || suffix === 0 || total === 0
      ? "other"
      : { start: Math.max(0, total - suffix), end: total - 1, total };
  }
  const start = natural(first);
  const end = last === "" ? total - 1 : natural(last);
  if (start === null || end === null || start >= total || end < start) return "other";
  return { start, end: Math.min(end, total - 1), total };
}
