import { AnonymousBrake } from "../access/counters.ts";
import { brakeBucket } from "../access/network.ts";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { clientAddress } from "./client-address.ts";
import type { AppContext } from "./context.ts";

/** What failed: a credential that is not ours, one whose id is genuine but not its secret, a signed call without credential. */
type FailureKind = "stranger" | "secret" | "nudge";

const counters: { [K in FailureKind]: AnonymousBrake } = {
  stranger: new AnonymousBrake(),
  secret: new AnonymousBrake(),
  nudge: new AnonymousBrake(),
};

/**
 * Slows guessing (SECURITY 5): counted in this isolate's memory, and per location where the platform has a rate-limit
 * binding. It is no exact quota. Failures of one kind slow only requests of that kind: whoever shares an address with
 * others (a NAT, a proxy) must not be able to lock out their genuine keys by sending rubbish.
 */
export const brake = {
  refusal: (kind: FailureKind, address: string | null): Problem | null =>
    counters[kind].refusal(address, systemClock()),

  async failed(kind: FailureKind, address: string | null, binding: RateLimit | undefined): Promise<Problem | null> {
    counters[kind].failed(address, systemClock());
    const allowed = await binding?.limit({ key: `${kind} ${brakeBucket(address)}` });
    return allowed && !allowed.success ? problem("rate_limited", { retryAfterSeconds: 60 }) : null;
  },
};

/**
 * For calls that are signed instead of carrying a credential. Refuses an address that failed too often without running
 * `prove`, and any call for which `prove` gives false; null when the call is genuine.
 */
export async function throttled(c: AppContext, prove: () => Promise<boolean>): Promise<Problem | null> {
  const address = clientAddress(c.req.raw, c.get("settings"));
  const refusal = brake.refusal("nudge", address);
  if (refusal) return refusal;
  if (await prove()) return null;
  return (await brake.failed("nudge", address, c.env.BRAKE)) ?? problem("unauthenticated");
}
