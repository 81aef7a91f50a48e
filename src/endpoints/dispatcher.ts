import { type Clock, pastOrUnknown } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Sleep } from "../base/sleep.ts";
import type { EndpointProgress, FeedPage, PullAnswer, PullRequest } from "../webhooks/feed.ts";
import { alarmTime, WATCH_MS } from "./alarm-time.ts";
import type { AttemptResult } from "./attempt.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Deliveries } from "./deliveries.ts";
import { LedgerReader } from "./ledger-reader.ts";
import { Sender } from "./sender.ts";
import type { EndpointStore } from "./store.ts";

type Deps = {
  deliveries: Deliveries;
  log: AttemptLog;
  store: EndpointStore;
  pull: (request: PullRequest) => Promise<PullAnswer>;
  /** One attempt of this event; null when the endpoint's secrets are locked. */
  send: (event: { id: string; text: string }, at: number) => Promise<AttemptResult> | null;
  /** Requests that one attempt may make at most: a name that is looked up costs two more. */
  cost: number;
  clock: Clock;
  random: Random;
  sleep: Sleep;
  detach: (work: Promise<unknown>) => void;
  /** An alarm no later than `at`. */
  arm: (at: number) => void;
  /** The instance knows no such endpoint: everything is to be forgotten. */
  forgotten: () => void;
};

/**
 * Moves events from the ledger to the receiver. Everything that happens (a notification, an answer, an alarm) ends in `tick`,
 * which starts what may start, reads more, and arms the alarm. Rows are always written before what they promise is sent:
 * the platform lets nothing out of the object before it is stored.
 */
export class Dispatcher {
  private readonly deps: Deps;
  private readonly sender: Sender;
  private readonly reader: LedgerReader;
  /** Requests that may still leave before the next alarm. */
  private readonly budget = { left: Number.POSITIVE_INFINITY };
  /** No configured ENCRYPTION_KEY opens the secrets. */
  private locked = false;
  private unlocking = false;
  private ended = false;

  constructor(deps: Deps) {
    this.deps = deps;
    const { budget } = this;
    const changed = () => this.tick();
    this.sender = new Sender({ ...deps, budget, changed });
    this.reader = new LedgerReader({
      ...deps,
      budget,
      changed,
      queue: this.sender.queue,
      progress: () => this.progress,
      failed: () => deps.arm(deps.clock() + WATCH_MS),
    });
  }

  get progress(): EndpointProgress {
    const { deliveries, log, clock } = this.deps;
    const { cursor, open, lastSuccess } = deliveries;
    const now = clock();
    const [success, failure] = [pastOrUnknown(lastSuccess, now), pastOrUnknown(log.lastFailure, now)];
    return { cursor, waiting: open.size, lastSuccess: success, lastFailure: failure, locked: this.locked };
  }

  /** The ledger grew, or something about the endpoint changed; `requests` may be made until the next alarm. */
  notify(page: FeedPage | null, activation: number, requests: number): void {
    this.budget.left = requests;
    this.reader.notify(page, activation);
    this.tick();
  }

  /** When the next alarm is due, ms; null for never. */
  get due(): number | null {
    const { store, clock, cost } = this.deps;
    const { sender, reader } = this;
    const { queue } = sender;
    const { health, disabling } = store.memory;
    return alarmTime({
      now: clock(),
      idle: sender.idle && !reader.pulling && (!disabling || reader.inactive),
      inactive: reader.inactive,
      locked: this.locked,
      work: queue.size > 0 || reader.hasMore,
      spent: this.budget.left < cost,
      pause: Math.max(health.slowUntil, reader.retryAt, queue.length > 0 ? sender.rate.freeAt : 0),
      nextDue: queue.nextDue,
    });
  }

  /** The alarm; `requests` may be made until the next one. */
  wake(requests: number): void {
    this.budget.left = requests;
    this.tick();
  }

  /** After a replay or a change: what is in memory may not be what is to be sent. */
  renew(): void {
    this.reader.reread();
    this.tick();
  }

  /** A request that is no delivery waits for the next free slot. */
  runInSlot<T>(work: () => Promise<T>): Promise<T> {
    return this.sender.runInSlot(work);
  }

  /** Nothing more is started or written. */
  end(): void {
    this.ended = true;
    this.sender.stop();
    this.reader.stop();
  }

  private tick(): void {
    if (this.ended) return;
    const { store, clock, arm } = this.deps;
    if (!store.ready) this.unlock();
    if (store.ready && !store.memory.disabling && !this.reader.inactive) {
      const now = clock();
      this.sender.queue.collect(now);
      if (now >= store.memory.health.slowUntil) this.sender.startWaiting(now);
    }
    this.reader.pull(this.locked);
    const due = this.due;
    if (due !== null) arm(due);
  }

  private unlock(): void {
    if (this.locked || this.unlocking) return;
    this.unlocking = true;
    const done = this.deps.store.unlock().then((opened) => {
      this.unlocking = false;
      this.locked = !opened;
      if (opened) this.tick();
    });
    this.deps.detach(done.catch(() => undefined));
  }
}
