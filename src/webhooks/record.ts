import type { Random } from "../base/random.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Deliveries } from "./deliveries.ts";
import type { EndpointStore } from "./endpoint-store.ts";
import type { Disabling } from "./feed.ts";
import type { Landing } from "./landings.ts";
import { afterAttempt, type EndpointHealth } from "./retry.ts";

type Deps = { deliveries: Deliveries; log: AttemptLog; store: EndpointStore; random: Random };

/** Writes what became of one attempt and what follows from it. Returns when it is due again; null when it is not. */
export function record({ deliveries, log, store, random }: Deps, landing: Landing): number | null {
  const { open, attempted, startedAt, at } = landing;
  const { memory } = store;
  const tried = { attempts: Math.max(1, open.attempts), startedAt, health: memory.health };
  const next = afterAttempt(tried, attempted, at, random);
  if (next.delivery.state === "delivered") deliveries.delivered(open, at, attempted.ms, attempted.status ?? 0);
  else {
    log.add(open, attempted, at, false);
    if (next.delivery.state === "retry") deliveries.retryAt(open, next.delivery.at);
    else deliveries.giveUp(open, at, attempted.status);
  }
  const disabling = next.disable
    ? disabled(next.disable, memory.generation, next.health.failingSince)
    : memory.disabling;
  if (disabling !== memory.disabling || !sameHealth(next.health, memory.health))
    store.remember({ ...memory, health: next.health, disabling });
  return deliveries.open.has(open.seq) ? open.due : null;
}

const disabled = (cause: Disabling["cause"], generation: number, failingSince: number | null): Disabling => ({
  generation,
  cause,
  message: MESSAGES[cause],
  failingSince,
});

const MESSAGES = {
  gone: "It answered 410 Gone.",
  receiver: "It asked for it with the header webhook-delivery: disable.",
  failing: "Every attempt of the last 5 days failed.",
} as const;

const sameHealth = (a: EndpointHealth, b: EndpointHealth): boolean =>
  a.failingSince === b.failingSince &&
  a.slowStreak === b.slowStreak &&
  a.slowedAt === b.slowedAt &&
  a.slowUntil === b.slowUntil;
