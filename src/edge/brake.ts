import { AnonymousBrake } from "../access/counters.ts";
import { brakeBucket } from "../access/network.ts";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";

/** What failed: a credential that is none of ours, one whose id is genuine but not its secret, a nudge. */
export type Failing = "stranger" | "secret" | "nudge";

const counted: { [F in Failing]: AnonymousBrake } = {
  stranger: new AnonymousBrake(),
  secret: new AnonymousBrake(),
  nudge: new AnonymousBrake(),
};

/**
 * Slows guessing (SECURITY 5): in this isolate's memory everywhere, and per location where the platform has a rate-limit
 * binding. A brake, not a quota. Each kind of failure slows its own kind alone: whoever shares an address with others (a
 * NAT, a proxy) must not be able to keep their genuine keys out by sending rubbish.
 */
export const brake = {
  refusal: (kind: Failing, address: string | null): Problem | null => counted[kind].refusal(address, systemClock()),

  async failed(kind: Failing, address: string | null, binding: RateLimit | undefined): Promise<Problem | null> {
    counted[kind].failed(address, systemClock());
    const allowed = await binding?.limit({ key: `${kind} ${brakeBucket(address)}` });
    return allowed && !allowed.success ? problem("rate_limited", { retryAfterSeconds: 60 }) : null;
  },
};
