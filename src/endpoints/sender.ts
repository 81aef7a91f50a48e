import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Sleep } from "../base/sleep.ts";
import type { FeedEvent } from "../webhooks/feed.ts";
import { mostInFlight } from "../webhooks/retry.ts";
import type { AttemptResult } from "./attempt.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Deliveries, OpenDelivery } from "./deliveries.ts";
import { RateBucket } from "./rate-bucket.ts";
import { type Completion, ResultBatch, writeResults } from "./results.ts";
import { SendQueue } from "./send-queue.ts";
import type { EndpointStore } from "./store.ts";

/** Requests in flight at once. A slot is free only when its result is stored, so a kill repeats no more than these. */
export const SLOTS = 6;

type Deps = {
  deliveries: Deliveries;
  log: AttemptLog;
  store: EndpointStore;
  /** One attempt of this event; null when the endpoint's secrets are locked. */
  send: (event: { id: string; text: string }, at: number) => Promise<AttemptResult> | null;
  /** Requests that one attempt may make at most. */
  cost: number;
  /** Requests that may still leave before the next alarm. */
  budget: { left: number };
  clock: Clock;
  random: Random;
  sleep: Sleep;
  detach: (work: Promise<unknown>) => void;
  /** Slots have become free. */
  changed: () => void;
};

/** Sends what waits in the queue: a lease is written, the request leaves, its result is written and its slot is free. */
export class Sender {
  readonly queue: SendQueue;
  readonly rate = new RateBucket();
  private readonly deps: Deps;
  private readonly results: ResultBatch;
  /** By `seq`: deliveries whose result is not written yet. */
  private readonly inFlight = new Set<number>();
  private tests = 0;
  private readonly waitingTests: (() => void)[] = [];
  private stopped = false;

  constructor(deps: Deps) {
    this.deps = deps;
    this.queue = new SendQueue(deps.deliveries.open, this.inFlight);
    this.results = new ResultBatch(deps.sleep, deps.detach, (completions) => this.completed(completions));
  }

  get idle(): boolean {
    return this.inFlight.size === 0;
  }

  /** Sends as much as slots, rate and budget allow. */
  startWaiting(now: number): void {
    const { deliveries, store, budget, cost } = this.deps;
    const most = mostInFlight(store.memory.health, SLOTS);
    const perMinute = store.settings?.ratePerMinute ?? null;
    while (this.hasSlot(most) && budget.left >= cost) {
      const event = this.queue.first(now);
      if (!event) return;
      const delivery = deliveries.open.get(event.seq);
      if (delivery && !this.rate.take(perMinute, now)) return;
      this.queue.shift();
      if (delivery) this.start(delivery, event, now);
    }
  }

  /** A request that is no delivery waits for the next free slot. */
  async runInSlot<T>(work: () => Promise<T>): Promise<T> {
    await new Promise<void>((begin) => {
      this.waitingTests.push(begin);
      this.startTests();
    });
    try {
      return await work();
    } finally {
      this.tests--;
      this.startTests();
      this.deps.changed();
    }
  }

  /** Nothing more is written. */
  stop(): void {
    this.stopped = true;
  }

  private hasSlot(most: number): boolean {
    return this.inFlight.size + this.tests < most;
  }

  private start(delivery: OpenDelivery, event: FeedEvent, now: number): void {
    const { deliveries, store, send, budget, cost, detach, clock } = this.deps;
    deliveries.lease(delivery);
    const sent = send(event, now);
    if (!sent) return;
    budget.left -= cost;
    this.inFlight.add(delivery.seq);
    const { activation } = store.memory;
    detach(
      sent.then((result) =>
        this.results.add({ delivery, result, startedAt: now, at: clock(), activation }, this.inFlight.size),
      ),
    );
  }

  private completed(completions: readonly Completion[]): void {
    for (const { delivery } of completions) this.inFlight.delete(delivery.seq);
    this.startTests();
    if (this.stopped) return;
    const { open } = this.deps.deliveries;
    // One that was given up meanwhile is gone; asked for once more, it is another object.
    const current = completions.filter(({ delivery }) => open.get(delivery.seq) === delivery);
    const due = writeResults(this.deps, current);
    if (due !== null) this.queue.dueAt(due);
    this.deps.changed();
  }

  private startTests(): void {
    while (this.waitingTests.length > 0 && this.hasSlot(SLOTS)) {
      this.tests++;
      this.waitingTests.shift()!();
    }
  }
}
