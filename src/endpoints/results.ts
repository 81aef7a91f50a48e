import type { Random } from "../base/random.ts";
import type { Sleep } from "../base/sleep.ts";
import type { DisableRequest } from "../webhooks/feed.ts";
import { afterAttempt, type EndpointHealth } from "../webhooks/retry.ts";
import type { AttemptResult } from "./attempt.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Deliveries, OpenDelivery, Success } from "./deliveries.ts";
import type { EndpointStore } from "./store.ts";

/** An attempt that ended; times in ms, `activation` the endpoint's when it was sent. */
export type Completion = {
  delivery: OpenDelivery;
  result: AttemptResult;
  startedAt: number;
  at: number;
  activation: number;
};

/**
 * How long a result may wait for others to be written with it, while requests beside it are in flight: about as long as
 * requests take of late, within these bounds, so that one that hangs costs the others next to nothing.
 */
const BATCH_WAIT_MS = { least: 2, most: 50 };

/** Results that wait to be written. A commit waits for the disk, so requests that end together are written together. */
export class ResultBatch {
  private readonly waiting: Completion[] = [];
  private readonly sleep: Sleep;
  private readonly detach: (work: Promise<unknown>) => void;
  private readonly write: (completions: Completion[]) => void;
  private timed = false;
  /** What a request takes of late, ms: a moving average. */
  private usualMs = 0;

  constructor(sleep: Sleep, detach: (work: Promise<unknown>) => void, write: (completions: Completion[]) => void) {
    this.sleep = sleep;
    this.detach = detach;
    this.write = write;
  }

  /** `inFlight` counts this one and all others without a written result. */
  add(completion: Completion, inFlight: number): void {
    this.waiting.push(completion);
    this.usualMs += (Math.min(completion.result.ms, BATCH_WAIT_MS.most) - this.usualMs) / 8;
    if (this.waiting.length >= inFlight) this.flush();
    else if (!this.timed) {
      this.timed = true;
      const timed = this.sleep(Math.max(BATCH_WAIT_MS.least, this.usualMs)).then(() => {
        this.timed = false;
        this.flush();
      });
      this.detach(timed);
    }
  }

  private flush(): void {
    if (this.waiting.length > 0) this.write(this.waiting.splice(0));
  }
}

type Deps = { deliveries: Deliveries; log: AttemptLog; store: EndpointStore; random: Random };

/** Writes what became of attempts and what follows from it. Returns when the first retry is due; null for none. */
export function writeResults(
  { deliveries, log, store, random }: Deps,
  completions: readonly Completion[],
): number | null {
  const successes: Success[] = [];
  let { memory } = store;
  for (const { delivery, result, startedAt, at, activation } of completions) {
    const attempt = { attempts: Math.max(1, delivery.attempts), startedAt, health: memory.health };
    const next = afterAttempt(attempt, result, at, random);
    if (next.delivery.state === "delivered")
      successes.push({ delivery, at, ms: result.ms, status: result.status ?? 0 });
    else {
      log.add(delivery, result, at, false);
      if (next.delivery.state === "retry") deliveries.retryAt(delivery, next.delivery.at);
      else deliveries.giveUp(delivery, at, result.status);
    }
    // What was sent before the endpoint was resumed says nothing of the receiver as it is now.
    const cause = activation === memory.activation ? next.disable : null;
    const disabling = cause ? disableRequest(cause, memory.activation, next.health.failingSince) : memory.disabling;
    memory = { ...memory, health: next.health, disabling };
  }
  deliveries.succeed(successes);
  if (memory.disabling !== store.memory.disabling || !sameHealth(memory.health, store.memory.health))
    store.remember(memory);
  const retries = completions.filter(({ delivery }) => deliveries.open.has(delivery.seq));
  return retries.length > 0 ? Math.min(...retries.map(({ delivery }) => delivery.due)) : null;
}

const disableRequest = (
  cause: DisableRequest["cause"],
  activation: number,
  failingSince: number | null,
): DisableRequest => ({ activation, cause, message: MESSAGES[cause], failingSince });

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
