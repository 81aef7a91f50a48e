import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Sleep } from "../base/sleep.ts";
import type { Attempted } from "./attempt.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Deliveries, Open } from "./deliveries.ts";
import type { EndpointStore } from "./endpoint-store.ts";
import type { Disabling, FedEvent, FeedPage, Progress, Pulled, PullRequest } from "./feed.ts";
import { RateBucket } from "./rate-bucket.ts";
import { afterAttempt, HEALTHY, width } from "./retry.ts";

/** Requests under way at once. A slot is free only when its result is durable, so a kill repeats no more than these. */
export const WIDTH = 6;
/** Events read at once. */
const PAGE = 128;
/** With fewer than this waiting to be sent, more are read. */
const LOW = 48;
/** What a delivery may be (again) is asked of the instance when it was told longer ago than this. */
const JUDGED_MS = 2_000;
const AGAIN = 24;
/** Nothing more is read while so many deliveries are open: the ledger keeps the rest. */
export const MOST_OPEN = 10_000;
/** While anything is under way an alarm stands this far ahead: what a kill interrupts goes on then. */
export const WATCH_MS = 5_000;

/**
 * How long a result may wait for others to be written with it, while requests beside it are under way: about as long as
 * requests take of late, within these bounds, so that one that hangs costs the others next to nothing.
 */
const TOGETHER_MS = { least: 2, most: 50 };

type Landing = { open: Open; attempted: Attempted; startedAt: number; at: number };
type Text = { event: FedEvent; judgedAt: number };

type Deps = {
  deliveries: Deliveries;
  log: AttemptLog;
  store: EndpointStore;
  pull: (request: PullRequest) => Promise<Pulled>;
  /** One attempt of this event; null when the endpoint's secrets are locked. */
  send: (event: { id: string; text: string }, at: number) => Promise<Attempted> | null;
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
 * Moves events from the ledger to the receiver. Everything that happens (a poke, an answer, an alarm) ends in `tick`,
 * which reads more, starts what may start, and arms the alarm. Rows are always written before what they promise is sent:
 * the platform lets nothing out of the object before it is stored.
 */
export class Dispatcher {
  private readonly deps: Deps;
  private readonly queue: number[] = [];
  private readonly wanting = new Set<number>();
  private readonly texts = new Map<number, Text>();
  private readonly flying = new Set<number>();
  private readonly landings: Landing[] = [];
  private settling = false;
  /** What a request takes of late, ms. */
  private usual = 0;
  private readonly rate = new RateBucket();
  private tests = 0;
  private pulling = false;
  /** Whether the ledger goes on after the cursor, as far as is known; after waking it may. */
  private more = true;
  private silent = false;
  private unlocking = false;
  private locked = false;
  /** No earlier than this is the instance asked again, after it could not be. */
  private askAt = 0;
  /** The earliest delivery that is not queued yet. */
  private nextDue: number | null = null;
  /** Requests that this turn of the platform may still make. */
  private left = Number.POSITIVE_INFINITY;
  private ended = false;

  constructor(deps: Deps) {
    this.deps = deps;
    this.schedule();
  }

  get progress(): Progress {
    const { deliveries, log } = this.deps;
    const { cursor, open, lastSuccess } = deliveries;
    return { cursor, waiting: open.size, lastSuccess, lastFailure: log.lastFailure, locked: this.locked };
  }

  /** The ledger grew, or something about the endpoint changed. A page that begins at the cursor spares a question. */
  poke(page: FeedPage | null, generation: number, requests: number): void {
    const { memory } = this.deps.store;
    this.left = requests;
    this.silent = false;
    if (
      page &&
      generation === memory.generation &&
      page.after === this.deps.deliveries.cursor &&
      !this.pulling &&
      this.room
    )
      this.take(page);
    else this.more = true;
    this.tick();
  }

  /** When it is next due, ms; null for never. */
  get due(): number | null {
    const { store, clock } = this.deps;
    const { health, disabling } = store.memory;
    const now = clock();
    const idle = this.flying.size === 0 && !this.pulling && !disabling;
    if (idle && this.silent) return null;
    if (idle && this.locked) return now + 60 * WATCH_MS;
    const pause = Math.max(health.slowUntil, this.askAt, this.queue.length > 0 ? this.rate.freeAt : 0);
    const work = this.queue.length > 0 || this.wanting.size > 0 || (this.more && this.room);
    if (work && !this.silent && this.left <= 0) return Math.max(now, pause);
    if (!idle) return now + WATCH_MS;
    if (work) return pause > now ? pause : now + WATCH_MS;
    return this.nextDue === null ? null : Math.max(this.nextDue, pause);
  }

  /** The alarm: some of what is due may have waited for it alone. */
  wake(requests: number): void {
    this.left = requests;
    this.tick();
  }

  /** After a replay or a change: what is in memory may not be what is to be sent. */
  renew(): void {
    this.more = true;
    this.schedule();
    this.tick();
  }

  /** A request outside of deliveries takes its place among those under way. */
  async beside<T>(work: () => Promise<T>): Promise<T> {
    this.tests++;
    try {
      return await work();
    } finally {
      this.tests--;
      this.tick();
    }
  }

  /** Nothing more is started or written. */
  end(): void {
    this.ended = true;
  }

  private get room(): boolean {
    return this.deps.deliveries.open.size < MOST_OPEN;
  }

  private tick(): void {
    if (this.ended) return;
    const { store, clock, arm } = this.deps;
    if (!store.ready && !this.locked) this.unlock();
    if (store.ready && !store.memory.disabling && !this.silent) {
      this.collect();
      const now = clock();
      if (now >= store.memory.health.slowUntil) this.launch(now);
    }
    this.ask();
    const due = this.due;
    if (due !== null) arm(due);
  }

  private unlock(): void {
    if (this.unlocking) return;
    this.unlocking = true;
    const done = this.deps.store.unlock().then((opened) => {
      this.unlocking = false;
      this.locked = !opened;
      if (opened) this.tick();
    });
    this.deps.detach(done.catch(() => undefined));
  }

  /** Puts what is due into the queue. */
  private collect(): void {
    const now = this.deps.clock();
    if (this.nextDue === null || this.nextDue > now) return;
    for (const { seq, due } of this.deps.deliveries.open.values())
      if (due <= now && !this.busy(seq)) this.wanting.add(seq);
    this.schedule();
  }

  private schedule(): void {
    let next: number | null = null;
    for (const { seq, due } of this.deps.deliveries.open.values())
      if ((next === null || due < next) && !this.busy(seq)) next = due;
    this.nextDue = next;
  }

  private busy(seq: number): boolean {
    return this.flying.has(seq) || this.wanting.has(seq) || this.texts.has(seq);
  }

  private launch(now: number): void {
    const { deliveries, store } = this.deps;
    const most = width(store.memory.health, WIDTH) - this.tests;
    while (this.flying.size < most && this.queue.length > 0 && this.left > 0) {
      const seq = this.queue[0]!;
      const text = this.texts.get(seq);
      const open = deliveries.open.get(seq);
      if (!open || !text) {
        this.queue.shift();
        this.texts.delete(seq);
        continue;
      }
      if (now - text.judgedAt > JUDGED_MS) {
        this.doubt();
        return;
      }
      const perMinute = store.settings?.ratePerMinute ?? null;
      if (!this.rate.take(perMinute, now)) return;
      this.queue.shift();
      this.texts.delete(seq);
      this.fly(open, text.event, now);
    }
  }

  /** What waited too long to be sent is asked for once more: its owner may have lost the right to it. */
  private doubt(): void {
    for (const seq of this.queue) this.wanting.add(seq);
    this.queue.length = 0;
    this.texts.clear();
  }

  private fly(open: Open, event: FedEvent, now: number): void {
    const { deliveries, send, detach, clock } = this.deps;
    deliveries.lease(open);
    const sent = send(event, now);
    if (!sent) return;
    this.left--;
    this.flying.add(open.seq);
    detach(sent.then((attempted) => this.landed({ open, attempted, startedAt: now, at: clock() })));
  }

  /**
   * A commit waits for the disk, so the results of requests that come back together are written together. Until then
   * their places stay taken: no more than `WIDTH` requests are ever without a durable result.
   */
  private landed(landing: Landing): void {
    this.landings.push(landing);
    const took = Math.min(landing.attempted.ms, TOGETHER_MS.most);
    this.usual += (took - this.usual) / 8;
    if (this.landings.length === this.flying.size) {
      this.settle();
      return;
    }
    if (this.settling) return;
    this.settling = true;
    this.deps.detach(
      this.deps.sleep(Math.max(TOGETHER_MS.least, this.usual)).then(() => {
        this.settling = false;
        this.settle();
      }),
    );
  }

  private settle(): void {
    if (this.landings.length === 0) return;
    for (const landing of this.landings.splice(0)) this.record(landing);
    this.tick();
  }

  private record({ open, attempted, startedAt, at }: Landing): void {
    this.flying.delete(open.seq);
    const { deliveries, log, store, random } = this.deps;
    if (this.ended || deliveries.open.get(open.seq) !== open) return;
    const { memory } = store;
    const outcome = { status: attempted.status, retryAfterMs: attempted.retryAfterMs, control: attempted.control };
    const next = afterAttempt(
      { attempts: Math.max(1, open.attempts), startedAt, health: memory.health },
      outcome,
      at,
      random,
    );
    if (next.delivery.state === "delivered") deliveries.delivered(open, at, attempted.ms, attempted.status ?? 0);
    else {
      log.add(open, attempted, at, false);
      if (next.delivery.state === "retry") deliveries.retryAt(open, next.delivery.at);
      else deliveries.giveUp(open, at, attempted.status);
      if (next.delivery.state === "retry" && (this.nextDue === null || open.due < this.nextDue))
        this.nextDue = open.due;
    }
    const disabling = next.disable ? this.reasonToDisable(next.disable, next.health.failingSince) : memory.disabling;
    if (disabling !== memory.disabling || !sameHealth(next.health, memory.health))
      store.remember({ ...memory, health: next.health, disabling });
  }

  private reasonToDisable(cause: Disabling["cause"], failingSince: number | null): Disabling {
    const { generation } = this.deps.store.memory;
    return { generation, cause, message: DISABLED[cause], failingSince };
  }

  private ask(): void {
    const { store, deliveries, clock, detach, pull } = this.deps;
    const { disabling, health } = store.memory;
    const now = clock();
    if (this.pulling || this.silent || now < this.askAt || this.left <= 0) return;
    const reading = this.more && this.room && this.queue.length + this.wanting.size < LOW && !this.locked;
    const wanted = now >= health.slowUntil && this.queue.length < AGAIN ? this.wanting.size : 0;
    if (!disabling && !reading && wanted === 0) return;
    this.pulling = true;
    this.left--;
    const again = disabling ? [] : [...this.wanting].slice(0, AGAIN);
    const limit = reading && !disabling ? PAGE : 0;
    const request = { after: deliveries.cursor, limit, again, progress: this.progress, disabling };
    detach(
      pull(request).then(
        (pulled) => this.pulled(request, pulled),
        () => {
          // The instance is restarting, or the platform moves it; the alarm stands.
          this.pulling = false;
          this.askAt = clock() + 1_000;
          if (!this.ended) this.deps.arm(clock() + WATCH_MS);
        },
      ),
    );
  }

  private pulled(request: PullRequest, pulled: Pulled): void {
    this.pulling = false;
    if (this.ended) return;
    if (pulled.state === "unknown") {
      this.deps.forgotten();
      return;
    }
    const { store, deliveries, clock } = this.deps;
    const { memory } = store;
    if (pulled.generation !== memory.generation) this.resumed(pulled.generation);
    else if (request.disabling && memory.disabling) store.remember({ ...memory, disabling: null });
    this.silent = pulled.state === "silent";
    if (pulled.state === "active") {
      const now = clock();
      if (request.limit > 0 && pulled.page.after === deliveries.cursor) this.take(pulled.page);
      for (const event of pulled.again) this.admit(event, now);
      for (const seq of request.again) if (this.wanting.delete(seq)) this.lost(seq, now);
    } else this.doubt();
    this.tick();
  }

  private take(page: FeedPage): void {
    const { deliveries, clock } = this.deps;
    const now = clock();
    const taken = new Set(deliveries.take(page, now).map(({ seq }) => seq));
    for (const event of page.events) {
      if (!taken.has(event.seq)) continue;
      this.texts.set(event.seq, { event, judgedAt: now });
      this.queue.push(event.seq);
    }
    this.more = page.nextAfter < page.head;
  }

  /** What was asked for again may be sent. */
  private admit(event: FedEvent, now: number): void {
    const { deliveries } = this.deps;
    this.wanting.delete(event.seq);
    const open = deliveries.open.get(event.seq);
    if (!open || this.busy(event.seq)) return;
    deliveries.lease(open);
    this.texts.set(event.seq, { event, judgedAt: now });
    this.queue.push(event.seq);
  }

  /** The ledger does not hold it any more, or its owner lost the right to it. */
  private lost(seq: number, now: number): void {
    const open = this.deps.deliveries.open.get(seq);
    if (open) this.deps.deliveries.giveUp(open, now, null);
  }

  /** Resumed since: what waits starts over, and what was held against the receiver is forgotten. */
  private resumed(generation: number): void {
    const { store, deliveries, clock } = this.deps;
    const first = store.memory.generation === 0;
    store.remember({ generation, health: HEALTHY, disabling: null });
    if (first) return;
    deliveries.startOver(clock());
    this.more = true;
    this.schedule();
  }
}

const DISABLED = {
  gone: "It answered 410 Gone.",
  receiver: "It asked for it with the header webhook-delivery: disable.",
  failing: "Every attempt of the last 5 days failed.",
} as const;

const sameHealth = (a: typeof HEALTHY, b: typeof HEALTHY): boolean =>
  a === b ||
  (a.failingSince === b.failingSince &&
    a.slowStreak === b.slowStreak &&
    a.slowedAt === b.slowedAt &&
    a.slowUntil === b.slowUntil);
