import type { Random } from "../base/random.ts";
import type { Disabling } from "../webhooks/feed.ts";
import { afterAttempt, type EndpointHealth } from "../webhooks/retry.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Completion } from "./completions.ts";
import type { Deliveries, Success } from "./deliveries.ts";
import type { EndpointStore } from "./store.ts";

type Deps = { deliveries: Deliveries; log: AttemptLog; store: EndpointStore; random: Random };

/** Writes what became of attempts and what follows from it. Returns when one of them is due again; null for never. */
export function record({ deliveries, log, store, random }: Deps, completions: readonly Completion[]): number | null {
  const successes: Success[] = [];
  let { memory } = store;
  for (const { open, attempted, startedAt, at, activation } of completions) {
    const tried = { attempts: Math.max(1, open.attempts), startedAt, health: memory.health };
    const next = afterAttempt(tried, attempted, at, random);
    if (next.delivery.state === "delivered")
      successes.push({ open, at, ms: attempted.ms, status: attempted.status ?? 0 });
    else {
      log.add(open, attempted, at, false);
      if (next.delivery.state === "retry") deliveries.retryAt(open, next.delivery.at);
      else deliveries.giveUp(open, at, attempted.status);
    }
    // What was sent before the endpoint was resumed says nothing of the receiver as it is now.
    const disable = activation === memory.activation ? next.disable : null;
    const disabling = disable ? disabled(disable, memory.activation, next.health.failingSince) : memory.disabling;
    memory = { ...memory, health: next.health, disabling };
  }
  deliveries.delivered(successes);
  if (memory.disabling !== store.memory.disabling || !sameHealth(memory.health, store.memory.health))
    store.remember(memory);
  const again = completions.filter(({ open }) => deliveries.open.has(open.seq)).map(({ open }) => open.due);
  return again.length > 0 ? Math.min(...again) : null;
}

const disabled = (cause: Disabling["cause"], activation: number, failingSince: number | null): Disabling => ({
  activation,
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
