/** How many rows each actor has. */
export type Holdings = readonly { actor: string; rows: number }[];

/**
 * Which rows go when more are kept than `most`: as many of the oldest of each actor as this says. Whoever has the most rows
 * loses them, so that nobody's rows push out those of another who has fewer.
 */
export function excess(holdings: Holdings, most: number): Map<string, number> {
  const sorted = [...holdings].sort((one, other) => other.rows - one.rows);
  let over = sorted.reduce((sum, { rows }) => sum + rows, 0) - most;
  const gone = new Map<string, number>();
  // The level down to which the largest are cut: it sinks actor by actor until enough is gone.
  for (let cut = 1; over > 0 && cut <= sorted.length; cut++) {
    const level = sorted[cut - 1]!.rows;
    const next = sorted[cut]?.rows ?? 0;
    const step = Math.min(over, (level - next) * cut);
    for (const [at, { actor }] of sorted.slice(0, cut).entries()) {
      const share = Math.floor(step / cut) + (at < step % cut ? 1 : 0);
      if (share > 0) gone.set(actor, (gone.get(actor) ?? 0) + share);
    }
    over -= step;
  }
  return gone;
}
