import type { FedEvent } from "../webhooks/feed.ts";

/** What a delivery may be (again) is asked of the instance when it was told longer ago than this. */
const JUDGED_MS = 2_000;

/** Deliveries on their way to be sent: `queue` holds those whose text is at hand, `wanting` those to be asked for. */
export class Ready {
  readonly toFetch = new Set<number>();
  private readonly queue: number[] = [];
  private readonly texts = new Map<number, { event: FedEvent; judgedAt: number }>();

  get length(): number {
    return this.queue.length;
  }

  get size(): number {
    return this.queue.length + this.toFetch.size;
  }

  has(seq: number): boolean {
    return this.toFetch.has(seq) || this.texts.has(seq);
  }

  add(event: FedEvent, now: number): void {
    this.toFetch.delete(event.seq);
    this.texts.set(event.seq, { event, judgedAt: now });
    this.queue.push(event.seq);
  }

  /** The first in the queue; null when there is none that may be sent as it is. */
  first(now: number): FedEvent | null {
    const seq = this.queue[0];
    const text = seq === undefined ? undefined : this.texts.get(seq);
    if (!text) return null;
    if (now - text.judgedAt <= JUDGED_MS) return text.event;
    this.recheckQueued();
    return null;
  }

  shift(): void {
    this.texts.delete(this.queue.shift()!);
  }

  /** What waited too long to be sent is asked for once more: its owner may have lost the right to it. */
  recheckQueued(): void {
    for (const seq of this.queue) this.toFetch.add(seq);
    this.queue.length = 0;
    this.texts.clear();
  }
}
