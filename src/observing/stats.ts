import type { Stats } from "../ledger/catalogue/shapes.ts";
import type { FileVersion } from "./tracked-backup.ts";

type Listed = FileVersion & { key: string };

/** How many backups before it a new one's size is compared with. */
const WINDOW = 10;

/**
 * The numbers of an event about a backup that came or went: how its size compares with the ten before it, how long ago
 * the one before it was made, how many there are and how large together. Build it once per look; `listed` is what is
 * there now. A file without a time is counted and compared with nothing.
 */
export function statsOf(listed: readonly Listed[]): (backup: Listed) => Stats {
  const totalSize = listed.reduce((sum, { size }) => sum + size, 0);
  const dated = listed
    .filter((other): other is Listed & { modified: number } => other.modified !== null)
    .sort((a, b) => a.modified - b.modified || (a.key < b.key ? -1 : 1));
  const positions = new Map(dated.map(({ key }, position) => [key, position]));
  return ({ key, size, modified }) => {
    const position =
      positions.get(key) ?? dated.filter((other) => modified !== null && other.modified <= modified).length;
    const before = modified === null ? [] : dated.slice(Math.max(0, position - WINDOW), position);
    const medianSize = median(before.map((other) => other.size));
    const previous = before.at(-1);
    return {
      count: listed.length,
      totalSize,
      medianSize,
      sizeRatio: medianSize ? Math.round((size / medianSize) * 100) / 100 : null,
      previousAgeSeconds: previous && modified !== null ? Math.round((modified - previous.modified) / 1000) : null,
    };
  };
}

/** The middle of the sizes, rounded to a byte; null of none. */
export function median(sizes: readonly number[]): number | null {
  if (sizes.length === 0) return null;
  const sorted = [...sizes].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : Math.round((sorted[middle - 1]! + sorted[middle]!) / 2);
}
