import { AnonymousBrake, bucketOf } from "../access/counters.ts";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { clientAddress } from "./client-address.ts";
import type { AppContext } from "./context.ts";

/** What failed: a credential that is not ours, one whose id is genuine but not its secret, a signed call without credential. */
type FailureKind = "stranger" | "secret" | "nudge";

const brakes: { [K in FailureKind]: AnonymousBrake } = {
  stranger: new AnonymousBrake(),
  secret: new AnonymousBrake(),
  nudge: new AnonymousBrake(),
};

/**
 * The answer to one more failure (SECURITY 38): null for the failure's own refusal, `rate_limited` after 60 in a minute
 * from one address about one subject. Counted in this isolate's memory, and per location where the platform has a
 * rate-limit binding; it is no exact quota. To be asked when a credential has failed, never before: whoever shares an
 * address with others (a NAT, a proxy) must not be kept out by what they send. That costs a look-up for each guess.
 */
export async function slowed(c: AppContext, kind: FailureKind, subject = ""): Promise<Problem | null> {
  const address = clientAddress(c.req.raw, c.get("settings"));
  const refusal = brakes[kind].refusal(address, systemClock(), subject);
  if (refusal) return refusal;
  brakes[kind].failed(address, systemClock(), subject);
  const allowed = await c.env.BRAKE?.limit({ key: `${kind} ${bucketOf(address, subject)}` });
  return allowed && !allowed.success ? problem("rate_limited", { retryAfterSeconds: 60 }) : null;
}
