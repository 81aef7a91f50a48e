import { problem } from "../base/problem.ts";
import { fail } from "../base/result.ts";
import { DENIED_PER_MINUTE, type MinuteCounter } from "./counters.ts";
import { type AccessRequest, type Decision, type Denial, decide, type QuotaUse } from "./decision.ts";
import type { Scope } from "./scope.ts";

/** The counters of one instance. Rates and denials live in memory, quotas are written. */
export type Counters = {
  rates: MinuteCounter;
  denials: MinuteCounter;
  quotas: {
    used(key: string, scope: Scope, day: string): number;
    use(key: string, scope: Scope, day: string): void;
    giveBack(use: QuotaUse): void;
  };
};

/**
 * Decides and counts, in one synchronous turn. An admitted request counts against rate and quota of every level that has
 * one. A denied one counts against neither, but in a bucket of its key; past 60 in a minute its reason is replaced by
 * 429. A denial without a genuine credential counts nowhere here: otherwise whoever knows a key's id could fill its
 * bucket, and a disabled key could be told from an unknown one.
 */
export function admit(request: AccessRequest, counters: Counters): Decision {
  const { at } = request;
  const decision = decide(request, {
    rate: (key, limit, now) => counters.rates.peek(key, limit, now),
    quota: (key, scope, day) => counters.quotas.used(key, scope, day),
  });
  if (!decision.ok) return deny(decision.error, at, counters);
  for (const key of decision.value.charge.rate) counters.rates.take(key, at);
  for (const { key, scope, day } of decision.value.charge.quotas) counters.quotas.use(key, scope, day);
  return decision;
}

/** Counts a denial of a genuine key in that key's bucket; see `admit`. */
export function deny(denial: Denial, at: number, counters: Counters): { ok: false; error: Denial } {
  const { key, reason } = denial;
  if (key === null || reason === "rate" || reason === "quota") return fail(denial);
  const bucket = counters.denials.peek(key, DENIED_PER_MINUTE, at);
  if (bucket.remaining < 1) {
    return fail({ ...denial, problem: problem("rate_limited", { retryAfterSeconds: bucket.retryAfterSeconds }) });
  }
  counters.denials.take(key, at);
  return fail(denial);
}
