import { quotaDay, type RateState, secondsToNextDay } from "./counters.ts";
import type { Counts, QuotaState } from "./decision.ts";
import type { Lineage } from "./key.ts";
import { effectiveScopes } from "./lineage.ts";

/** The tightest rate of the lineage as it stands, without counting; null when no level has one. */
export function rateLeft(lineage: Lineage, counts: Pick<Counts, "rate">, at: number): RateState | null {
  let tightest: RateState | null = null;
  for (const { id, ratePerMinute } of lineage) {
    if (ratePerMinute === null) continue;
    const state = counts.rate(id, ratePerMinute, at);
    if (!tightest || state.remaining < tightest.remaining) tightest = state;
  }
  return tightest;
}

/** What is left today of every scope that the lineage may use and some level limits, the tightest level of each. */
export function quotasLeft(lineage: Lineage, counts: Pick<Counts, "quota">, at: number): QuotaState[] {
  const day = quotaDay(at);
  const resetSeconds = secondsToNextDay(at);
  return effectiveScopes(lineage).flatMap((scope) => {
    const levels = lineage.flatMap(({ id, quotas }) => {
      const limit = quotas[scope];
      if (limit === undefined) return [];
      return [{ scope, limit, remaining: Math.max(0, limit - counts.quota(id, scope, day)), resetSeconds }];
    });
    return levels.sort((one, other) => one.remaining - other.remaining).slice(0, 1);
  });
}
