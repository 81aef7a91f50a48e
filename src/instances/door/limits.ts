import type { Counters } from "../../access/admission.ts";
import type { RateState } from "../../access/counters.ts";
import type { Admission, Denial, QuotaState, QuotaUse } from "../../access/decision.ts";
import type { Lineage } from "../../access/key.ts";
import { quotasLeft, rateLeft } from "../../access/limits-left.ts";

/** One limit of a key as the RateLimit headers show it (draft-ietf-httpapi-ratelimit-headers): `rate`, or a scope. */
export type LimitState = {
  name: string;
  limit: number;
  windowSeconds: number;
  remaining: number;
  resetSeconds: number;
};

const DAY_SECONDS = 86_400;

const limitOf = (
  name: string,
  windowSeconds: number,
  { limit, remaining, resetSeconds }: Pick<RateState, "limit" | "remaining" | "resetSeconds">,
): LimitState => ({ name, limit, windowSeconds, remaining, resetSeconds });

const rateLimit = (rate: RateState | null): LimitState[] => (rate ? [limitOf("rate", 60, rate)] : []);
const quotaLimits = (quotas: readonly QuotaState[]): LimitState[] =>
  quotas.map((quota) => limitOf(quota.scope, DAY_SECONDS, quota));

/** What an admitted request was counted against. */
export const limitsOf = ({ rate, quotas }: Pick<Admission, "rate" | "quotas">): LimitState[] => [
  ...rateLimit(rate),
  ...quotaLimits(quotas),
];

/** The same after what was counted against quotas was taken back. */
export const givenBack = (limits: readonly LimitState[], charged: readonly QuotaUse[]): LimitState[] =>
  limits.map((limit) =>
    charged.some(({ scope }) => scope === limit.name) ? { ...limit, remaining: limit.remaining + 1 } : limit,
  );

/** The limit that a denied request ran into; none when it was denied for another reason. */
export function exhaustedLimits(
  { reason }: Denial,
  lineage: Lineage | null,
  { rates, quotas }: Counters,
  at: number,
): LimitState[] {
  if (!lineage) return [];
  if (reason === "rate") return rateLimit(rateLeft(lineage, { rate: (key, limit) => rates.peek(key, limit, at) }, at));
  if (reason !== "quota") return [];
  const left = quotasLeft(lineage, { quota: (key, scope, day) => quotas.used(key, scope, day) }, at);
  return quotaLimits(left.filter(({ remaining }) => remaining === 0));
}
