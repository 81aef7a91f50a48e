import { AnonymousBrake } from "../access/counters.ts";
import { brakeBucket } from "../access/network.ts";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";

const counted = new AnonymousBrake();

/**
 * Slows guessing (SECURITY 5): in this isolate's memory everywhere, and per location where the platform has a rate-limit
 * binding. A brake, not a quota.
 */
export const brake = {
  refusal: (address: string | null): Problem | null => counted.refusal(address, systemClock()),

  async failed(address: string | null, binding: RateLimit | undefined): Promise<Problem | null> {
    counted.failed(address, systemClock());
    const allowed = await binding?.limit({ key: brakeBucket(address) });
    return allowed && !allowed.success ? problem("rate_limited", { retryAfterSeconds: 60 }) : null;
  },
};
