import type { Clock } from "../base/clock.ts";
import type { EndpointProgress, FeedEvent, FeedPage, PullAnswer, PullRequest } from "../webhooks/feed.ts";
import { HEALTHY } from "../webhooks/retry.ts";
import type { Deliveries } from "./deliveries.ts";
import type { SendQueue } from "./send-queue.ts";
import type { EndpointStore } from "./store.ts";

/** Events read at once. */
const PAGE = 128;
/** With fewer deliveries than this in the queue, more are read. */
const LOW = 48;
/** Texts fetched again at once. */
const REFETCH = 24;
/** Nothing more is read while so many deliveries are open: the ledger keeps the rest. */
const MOST_OPEN = 10_000;
/** After a pull that failed the next one waits so long. */
const RETRY_PULL_MS = 1_000;

type Deps = {
  deliveries: Deliveries;
  store: EndpointStore;
  queue: SendQueue;
  pull: (request: PullRequest) => Promise<PullAnswer>;
  progress: () => EndpointProgress;
  /** Requests that may still leave before the next alarm. */
  budget: { left: number };
  clock: Clock;
  detach: (work: Promise<unknown>) => void;
  /** The instance knows no such endpoint: everything is to be forgotten. */
  forgotten: () => void;
  /** The instance has answered. */
  changed: () => void;
  /** The instance could not be asked. */
  failed: () => void;
};

/** Asks the instance for events after the cursor, and for the texts of deliveries that are due again. */
export class LedgerReader {
  /** The instance is being asked. */
  pulling = false;
  /** The instance said that nothing may be sent now. It notifies when that changes. */
  inactive = false;
  /** The instance is asked no earlier, ms. */
  retryAt = 0;
  private readonly deps: Deps;
  /** Whether the ledger goes on after the cursor, as far as is known. After waking it may. */
  private ledgerGoesOn = true;
  /** The answer to the pull under way may be older than the notification that came meanwhile. */
  private notifiedWhilePulling = false;
  private stopped = false;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** There is something to read, and room for it. */
  get hasMore(): boolean {
    return this.ledgerGoesOn && this.hasRoom;
  }

  /** The ledger grew. A page that begins at the cursor spares a pull. */
  notify(page: FeedPage | null, activation: number): void {
    const { store, deliveries } = this.deps;
    this.inactive = false;
    this.notifiedWhilePulling = this.pulling;
    const usable = activation === store.memory.activation && !this.pulling && this.hasRoom;
    if (page && usable && page.after === deliveries.cursor) this.accept(page);
    else this.ledgerGoesOn = true;
  }

  /** The cursor moved, or open deliveries are due at other times than before. */
  reread(): void {
    this.ledgerGoesOn = true;
    this.deps.queue.nextDue = 0;
  }

  /** Asks the instance, when there is a reason to. */
  pull(locked: boolean): void {
    const { store, deliveries, queue, budget, clock, detach, pull, progress } = this.deps;
    const { disabling, health } = store.memory;
    const now = clock();
    if (this.pulling || this.inactive || now < this.retryAt || budget.left <= 0) return;
    const reading = this.hasMore && queue.size < LOW && !locked;
    const refetching = now >= health.slowUntil && queue.length < REFETCH && queue.toFetch.size > 0;
    if (!disabling && !reading && !refetching) return;
    this.pulling = true;
    budget.left--;
    const refetch = disabling ? [] : [...queue.toFetch].slice(0, REFETCH);
    const limit = reading && !disabling ? PAGE : 0;
    const request = { after: deliveries.cursor, limit, refetch, progress: progress(), disabling };
    detach(
      pull(request).then(
        (answer) => this.answered(request, answer),
        // The instance is restarting, or the platform moves it.
        () => this.unanswered(),
      ),
    );
  }

  /** Nothing more is written. */
  stop(): void {
    this.stopped = true;
  }

  private get hasRoom(): boolean {
    return this.deps.deliveries.open.size < MOST_OPEN;
  }

  private unanswered(): void {
    this.pulling = false;
    this.notifiedWhilePulling = false;
    this.retryAt = this.deps.clock() + RETRY_PULL_MS;
    if (!this.stopped) this.deps.failed();
  }

  private answered(request: PullRequest, answer: PullAnswer): void {
    this.pulling = false;
    if (this.stopped) return;
    const { store, deliveries, queue, clock, forgotten, changed } = this.deps;
    if (answer.state === "unavailable") {
      this.unanswered();
      return;
    }
    if (answer.state === "unknown") {
      forgotten();
      return;
    }
    const { memory } = store;
    if (answer.activation !== memory.activation) this.activated(answer.activation);
    // The instance has recorded it.
    else if (request.disabling && memory.disabling) store.remember({ ...memory, disabling: null });
    this.inactive = answer.state === "inactive";
    if (answer.state === "active") {
      const now = clock();
      if (request.limit > 0 && answer.page.after === deliveries.cursor) this.accept(answer.page);
      for (const event of answer.refetched) this.acceptRefetched(event, now);
      // What was asked for and did not come is kept no more, or its owner lost the right to it.
      for (const seq of request.refetch) {
        const lost = queue.toFetch.delete(seq) ? deliveries.open.get(seq) : undefined;
        if (lost) deliveries.giveUp(lost, now, null);
      }
    } else queue.refetchAll();
    if (this.notifiedWhilePulling) {
      this.notifiedWhilePulling = false;
      this.inactive = false;
      this.ledgerGoesOn = true;
    }
    changed();
  }

  private accept(page: FeedPage): void {
    const { deliveries, queue, clock } = this.deps;
    const now = clock();
    const added = new Set(deliveries.addPage(page, now).map(({ seq }) => seq));
    for (const event of page.events) if (added.has(event.seq)) queue.add(event, now);
    this.ledgerGoesOn = page.nextAfter < page.head;
  }

  private acceptRefetched(event: FeedEvent, now: number): void {
    const { deliveries, queue } = this.deps;
    queue.toFetch.delete(event.seq);
    const delivery = deliveries.open.get(event.seq);
    if (!delivery || queue.isBeingSent(event.seq)) return;
    deliveries.lease(delivery);
    queue.add(event, now);
  }

  /** The endpoint was activated since: open deliveries start over, and the receiver's failures are forgotten. */
  private activated(activation: number): void {
    const { store, deliveries, clock } = this.deps;
    const first = store.memory.activation === 0;
    store.remember({ activation, health: HEALTHY, disabling: null });
    if (first) return;
    deliveries.restartAll(clock());
    this.reread();
  }
}
