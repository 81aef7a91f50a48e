export type Spread = { min: number; median: number; max: number };

/** Of at least one number; of an even count the mean of the middle two. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError("nothing was measured");
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

/** The value below which `share` (0 to 1) of all lie (nearest rank). */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("nothing was measured");
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

/**
 * Ratios of two series that were measured in turn, pair by pair: what slows the machine for a while slows both of a
 * pair, and so falls out.
 */
export function pairRatios(ours: readonly number[], theirs: readonly number[]): Spread {
  if (ours.length !== theirs.length) throw new RangeError("pairs need two series of one length");
  return spread(ours.map((value, index) => value / theirs[index]!));
}

/** The order of a round: every subject once, every other round backwards, so that none always follows the same one. */
export function roundOrder<T>(subjects: readonly T[], round: number): T[] {
  return round % 2 === 0 ? [...subjects] : [...subjects].reverse();
}
