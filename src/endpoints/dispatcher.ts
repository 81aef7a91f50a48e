import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Sleep } from "../base/sleep.ts";
import type { FedEvent, FeedPage, Progress, Pulled, PullRequest } from "../webhooks/feed.ts";
import { HEALTHY, width } from "../webhooks/retry.ts";
import type { Attempted } from "./attempt.ts";
import type { AttemptLog } from "./attempt-log.ts";
import { type Completion, Completions } from "./completions.ts";
import type { Deliveries, Open } from "./deliveries.ts";
import { WATCH_MS, whenDue } from "./due.ts";
import { RateBucket } from "./rate-bucket.ts";
import { Ready } from "./ready.ts";
import { record } from "./results.ts";
import { SecretOpener } from "./secret-opener.ts";
import { Slots, WIDTH } from "./slots.ts";
import type { EndpointStore } from "./store.ts";

/** Events read at once. */
const PAGE = 128;
/** With fewer than this waiting to be sent, more are read. */
const LOW = 48;
/** Asked for at once of what is to be judged anew. */
const AGAIN = 24;
/** Nothing more is read while so many deliveries are open: the ledger keeps the rest. */
export const MOST_OPEN = 10_000;

type Deps = {
  deliveries: Deliveries;
  log: AttemptLog;
  store: EndpointStore;
  pull: (request: PullRequest) => Promise<Pulled>;
  /** One attempt of this event; null when the endpoint's secrets are locked. */
  send: (event: { id: string; text: string }, at: number) => Promise<Attempted> | null;
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
 * Moves events from the ledger to the receiver. Everything that happens (a poke, an answer, an alarm) ends in `tick`,
 * which reads more, starts what may start, and arms the alarm. Rows are always written before what they promise is sent:
 * the platform lets nothing out of the object before it is stored.
 */
export class Dispatcher {
  private readonly deps: Deps;
  private readonly ready = new Ready();
  private readonly slots = new Slots();
  private readonly completions: Completions;
  private readonly rate = new RateBucket();
  private pulling = false;
  /** A poke came while the instance was asked: its answer may be older than the poke. */
  private overtaken = false;
  /** Whether the ledger goes on after the cursor, as far as is known; after waking it may. */
  private more = true;
  private silent = false;
  private readonly lock: SecretOpener;
  /** No earlier than this is the instance asked again, after it could not be. */
  private askAt = 0;
  /** The earliest delivery that is not queued yet; 0 when that is to be found out. */
  private nextDue: number | null = 0;
  /** Requests that this turn of the platform may still make. */
  private left = Number.POSITIVE_INFINITY;
  private ended = false;

  constructor(deps: Deps) {
    this.deps = deps;
    this.lock = new SecretOpener(() => deps.store.unlock(), deps.detach);
    this.completions = new Completions(deps.sleep, deps.detach, (completions) => this.completed(completions));
  }

  get progress(): Progress {
    const { deliveries, log } = this.deps;
    const { cursor, open, lastSuccess } = deliveries;
    return { cursor, waiting: open.size, lastSuccess, lastFailure: log.lastFailure, locked: this.lock.locked };
  }

  /** The ledger grew, or something about the endpoint changed. A page that begins at the cursor spares a question. */
  poke(page: FeedPage | null, activation: number, requests: number): void {
    const { memory } = this.deps.store;
    this.left = requests;
    this.silent = false;
    this.overtaken = this.pulling;
    const current = activation === memory.activation && !this.pulling && this.room;
    if (page && current && page.after === this.deps.deliveries.cursor) this.take(page);
    else this.more = true;
    this.tick();
  }

  /** When it is next due, ms; null for never. */
  get due(): number | null {
    const { store, clock, cost } = this.deps;
    const { health, disabling } = store.memory;
    return whenDue({
      now: clock(),
      idle: this.slots.inFlight.size === 0 && !this.pulling && (!disabling || this.silent),
      silent: this.silent,
      locked: this.lock.locked,
      work: this.ready.size > 0 || (this.more && this.room),
      spent: this.left < cost,
      pause: Math.max(health.slowUntil, this.askAt, this.ready.length > 0 ? this.rate.freeAt : 0),
      nextDue: this.nextDue,
    });
  }

  /** The alarm: some of what is due may have waited for it alone. */
  wake(requests: number): void {
    this.left = requests;
    this.tick();
  }

  /** After a replay or a change: what is in memory may not be what is to be sent. */
  renew(): void {
    this.more = true;
    this.nextDue = 0;
    this.tick();
  }

  /** A request outside of deliveries takes its place among those under way, the next one that is free. */
  async runInSlot<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.slots.test(work);
    } finally {
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
    if (!store.ready) this.lock.open(() => this.tick());
    if (store.ready && !store.memory.disabling && !this.silent) {
      this.collect();
      const now = clock();
      if (now >= store.memory.health.slowUntil) this.launch(now);
    }
    this.ask();
    const due = this.due;
    if (due !== null) arm(due);
  }

  /** Has what is due asked for, and finds out when the next one is. */
  private collect(): void {
    const now = this.deps.clock();
    if (this.nextDue === null || this.nextDue > now) return;
    this.nextDue = null;
    for (const { seq, due } of this.deps.deliveries.open.values()) {
      if (this.busy(seq)) continue;
      if (due <= now) this.ready.toFetch.add(seq);
      else if (this.nextDue === null || due < this.nextDue) this.nextDue = due;
    }
  }

  private busy(seq: number): boolean {
    return this.slots.inFlight.has(seq) || this.ready.has(seq);
  }

  private launch(now: number): void {
    const { deliveries, store } = this.deps;
    const most = width(store.memory.health, WIDTH);
    const perMinute = store.settings?.ratePerMinute ?? null;
    while (this.slots.free(most) && this.left >= this.deps.cost) {
      const event = this.ready.first(now);
      if (!event) return;
      const open = deliveries.open.get(event.seq);
      if (open && !this.rate.take(perMinute, now)) return;
      this.ready.shift();
      if (open) this.start(open, event, now);
    }
  }

  private start(open: Open, event: FedEvent, now: number): void {
    const { deliveries, store, send, cost, detach, clock } = this.deps;
    deliveries.lease(open);
    const sent = send(event, now);
    if (!sent) return;
    this.left -= cost;
    this.slots.inFlight.add(open.seq);
    const { activation } = store.memory;
    detach(
      sent.then((attempted) =>
        this.completions.add({ open, attempted, startedAt: now, at: clock(), activation }, this.slots.inFlight.size),
      ),
    );
  }

  /** No more than `WIDTH` requests are ever without a durable result: places are free only from here on. */
  private completed(completions: readonly Completion[]): void {
    this.slots.completed(completions.map(({ open }) => open.seq));
    if (this.ended) return;
    const { deliveries } = this.deps;
    const due = record(
      this.deps,
      completions.filter(({ open }) => deliveries.open.get(open.seq) === open),
    );
    if (due !== null && (this.nextDue === null || due < this.nextDue)) this.nextDue = due;
    this.tick();
  }

  private ask(): void {
    const { store, deliveries, clock, detach, pull } = this.deps;
    const { disabling, health } = store.memory;
    const now = clock();
    if (this.pulling || this.silent || now < this.askAt || this.left <= 0) return;
    const reading = this.more && this.room && this.ready.size < LOW && !this.lock.locked;
    const wanted = now >= health.slowUntil && this.ready.length < AGAIN ? this.ready.toFetch.size : 0;
    if (!disabling && !reading && wanted === 0) return;
    this.pulling = true;
    this.left--;
    const again = disabling ? [] : [...this.ready.toFetch].slice(0, AGAIN);
    const limit = reading && !disabling ? PAGE : 0;
    const request = { after: deliveries.cursor, limit, again, progress: this.progress, disabling };
    detach(
      pull(request).then(
        (pulled) => this.pulled(request, pulled),
        () => {
          // The instance is restarting, or the platform moves it; the alarm stands.
          this.pulling = false;
          this.overtaken = false;
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
    if (pulled.activation !== memory.activation) this.resumed(pulled.activation);
    else if (request.disabling && memory.disabling) store.remember({ ...memory, disabling: null });
    this.silent = pulled.state === "silent";
    if (pulled.state === "active") {
      const now = clock();
      if (request.limit > 0 && pulled.page.after === deliveries.cursor) this.take(pulled.page);
      for (const event of pulled.again) this.admit(event, now);
      // What was asked for and did not come is not kept any more, or its owner lost the right to it.
      for (const seq of request.again) {
        const lost = this.ready.toFetch.delete(seq) ? deliveries.open.get(seq) : undefined;
        if (lost) deliveries.giveUp(lost, now, null);
      }
    } else this.ready.recheckQueued();
    if (this.overtaken) {
      this.overtaken = false;
      this.silent = false;
      this.more = true;
    }
    this.tick();
  }

  private take(page: FeedPage): void {
    const { deliveries, clock } = this.deps;
    const now = clock();
    const taken = new Set(deliveries.take(page, now).map(({ seq }) => seq));
    for (const event of page.events) if (taken.has(event.seq)) this.ready.add(event, now);
    this.more = page.nextAfter < page.head;
  }

  /** What was asked for again may be sent. */
  private admit(event: FedEvent, now: number): void {
    const { deliveries } = this.deps;
    this.ready.toFetch.delete(event.seq);
    const open = deliveries.open.get(event.seq);
    if (!open || this.busy(event.seq)) return;
    deliveries.lease(open);
    this.ready.add(event, now);
  }

  /** Resumed since: what waits starts over, and what was held against the receiver is forgotten. */
  private resumed(activation: number): void {
    const { store, deliveries, clock } = this.deps;
    const first = store.memory.activation === 0;
    store.remember({ activation, health: HEALTHY, disabling: null });
    if (first) return;
    deliveries.startOver(clock());
    this.more = true;
    this.nextDue = 0;
  }
}
