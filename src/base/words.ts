const SIZES = ["kB", "MB", "GB", "TB", "PB"];

/** Bytes for people, in powers of 1000 and three digits: `48.2 MB`. */
export function sizeInWords(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  let value = bytes;
  let unit = -1;
  // What would be rounded up to 1000 is one of the next unit.
  while (value >= 999.5 && unit < SIZES.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))} ${SIZES[unit]}`;
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

/** A duration for people, in its two largest units, rounded down: `1 day 2 hours`. */
export function durationInWords(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole === 0) return "less than a second";
  const first = UNITS.findIndex(([, length]) => whole >= length);
  return UNITS.slice(first, first + 2)
    .map(([name, length], index) => {
      const count = Math.floor((index === 0 ? whole : whole % UNITS[first]![1]) / length);
      return count === 0 ? "" : `${count} ${name}${count === 1 ? "" : "s"}`;
    })
    .filter((text) => text !== "")
    .join(" ");
}

/** `2026-11-22 10:00 UTC`. Null for what is not a time. */
export function timeInWords(text: string): string | null {
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
