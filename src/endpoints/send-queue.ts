import { dueWithin } from "../base/clock.ts";
import type { FeedEvent } from "../webhooks/feed.ts";
import { LONGEST_PAUSE_MS } from "../webhooks/retry.ts";
import type { OpenDelivery } from "./deliveries.ts";

/** A text is sent no later than this after it was fetched, ms: its owner may lose the right to read it. */
const FRESH_MS = 2_000;

/**
 * What is to be sent next. A delivery that is due has its text fetched from the instance (`toFetch`), which decides anew
 * whether it may be sent; then it waits in line until the sender takes it.
 */
export class SendQueue {
  /** By `seq`. */
  readonly toFetch = new Set<number>();
  /** The next attempt of a delivery that is not in here yet, ms; 0 when that is to be looked up, null for none. */
  nextDue: number | null = 0;
  private readonly line: number[] = [];
  private readonly texts = new Map<number, { event: FeedEvent; fetchedAt: number }>();
  private readonly open: ReadonlyMap<number, OpenDelivery>;
  private readonly inFlight: ReadonlySet<number>;

  constructor(open: ReadonlyMap<number, OpenDelivery>, inFlight: ReadonlySet<number>) {
    this.open = open;
    this.inFlight = inFlight;
  }

  /** How many have their text and wait to be sent. */
  get length(): number {
    return this.line.length;
  }

  /** The same, with those whose text is still to be fetched. */
  get size(): number {
    return this.line.length + this.toFetch.size;
  }

  /** Has what is due fetched, and looks up when the next delivery is due. */
  collect(now: number): void {
    if (this.nextDue === null || dueWithin(this.nextDue, LONGEST_PAUSE_MS, now) > now) return;
    this.nextDue = null;
    for (const { seq, due } of this.open.values()) {
      if (this.toFetch.has(seq) || this.isBeingSent(seq)) continue;
      if (dueWithin(due, LONGEST_PAUSE_MS, now) <= now) this.toFetch.add(seq);
      else this.dueAt(due);
    }
  }

  /** A delivery that is not in here is due at `at`. */
  dueAt(at: number): void {
    if (this.nextDue === null || at < this.nextDue) this.nextDue = at;
  }

  /** It waits in line, or its result is not written yet. */
  isBeingSent(seq: number): boolean {
    return this.texts.has(seq) || this.inFlight.has(seq);
  }

  add(event: FeedEvent, now: number): void {
    this.toFetch.delete(event.seq);
    this.texts.set(event.seq, { event, fetchedAt: now });
    this.line.push(event.seq);
  }

  /** The first in line; null when there is none that may be sent as it is. */
  first(now: number): FeedEvent | null {
    const seq = this.line[0];
    const text = seq === undefined ? undefined : this.texts.get(seq);
    if (!text) return null;
    if (now - text.fetchedAt <= FRESH_MS) return text.event;
    this.refetchAll();
    return null;
  }

  shift(): void {
    this.texts.delete(this.line.shift()!);
  }

  /** Nothing in line may be sent before its text was fetched again. */
  refetchAll(): void {
    for (const seq of this.line) this.toFetch.add(seq);
    this.line.length = 0;
    this.texts.clear();
  }
}
