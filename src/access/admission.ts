import { problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { DENIED_PER_MINUTE, type MinuteCounter } from "./counters.ts";
import { type Attempt, type Denial, type Grant, verdict } from "./decision.ts";
import type { Scope } from "./scope.ts";

/** The counters of one instance. Rates and denials live in memory, quotas are written. */
export type Counters = {
  rates: MinuteCounter;
  denials: MinuteCounter;
  quotas: {
    used(key: string, scope: Scope, day: string): number;
    use(key: string, scope: Scope, day: string): void;
  };
};

/**
 * The verdict, and then what it costs, in one synchronous turn. A grant moves rate and quota of every level that has
 * one. A denial moves neither; of a genuine key it counts in that key's own bucket, and past 60 in a minute its reason
 * is replaced by 429. A stranger's denial counts nowhere here: otherwise whoever knows a key's id could fill its bucket,
 * and a disabled key would sooner or later be told apart from an unknown one.
 */
export function admit(attempt: Attempt, counters: Counters): Result<Grant, Denial> {
  const { at } = attempt;
  const judged = verdict(attempt, {
    rate: (key, limit, now) => counters.rates.peek(key, limit, now),
    quota: (key, scope, day) => counters.quotas.used(key, scope, day),
  });
  if (judged.ok) {
    for (const key of judged.value.charge.rate) counters.rates.take(key, at);
    for (const { key, scope, day } of judged.value.charge.quotas) counters.quotas.use(key, scope, day);
    return judged;
  }
  return denied(judged.error, at, counters);
}

/** Counts a denial of a genuine key in its own bucket; see `admit`. */
export function denied(denial: Denial, at: number, counters: Counters): { ok: false; error: Denial } {
  const { key, reason } = denial;
  if (key === null || reason === "rate" || reason === "quota") return fail(denial);
  const bucket = counters.denials.peek(key, DENIED_PER_MINUTE, at);
  if (bucket.remaining < 1) {
    return fail({ ...denial, problem: problem("rate_limited", { retryAfterSeconds: bucket.retryAfterSeconds }) });
  }
  counters.denials.take(key, at);
  return fail(denial);
}
