import type { Clock } from "../../base/clock.ts";
import { type Sleep, within } from "../../base/sleep.ts";
import type { Duty } from "../../storage/duties.ts";
import type { FeedPage } from "../../webhooks/feed.ts";
import type { Ledger } from "../ledger/store.ts";
import type { Endpoints } from "./store.ts";

/** As much of an endpoint's object as the announcer calls. */
type NotifiedEndpoint = { notify(page: FeedPage | null, activation: number): Promise<number | null> };

/** An alarm is set this far ahead while an endpoint is not notified yet, ms: a kill delays the notification by no more. */
export const ANNOUNCE_MS = 5_000;
/** Endpoints notified at once. */
const CONCURRENT = 32;
/** An endpoint's object that takes longer than this, ms, is notified again later: the others do not wait for it. */
const NOTIFY_TIMEOUT_MS = 5_000;
/** Events sent along with a notification. */
const PAGE = 64;

type Deps = {
  sql: SqlStorage;
  ledger: Ledger;
  endpoints: Endpoints;
  endpoint: (id: string) => NotifiedEndpoint;
  clock: Clock;
  sleep: Sleep;
  detach: (work: Promise<unknown>) => void;
  /** An alarm no later than `at`, written with what this turn writes. */
  wake: (at: number) => void;
};

/**
 * Notifies the endpoints that the ledger grew. Only speed depends on it: who was not notified is notified again at the next
 * alarm, and every endpoint reads from its own cursor. Appends during a notification cause one more.
 */
export class Announcer implements Duty {
  readonly name = "announcements";
  private readonly deps: Deps;
  /** The newest `seq` that every endpoint was notified of. */
  private announced: number;
  /** Each endpoint's cursor as it answered last. */
  private readonly cursors = new Map<string, number>();
  private running = false;
  private scheduled = false;
  /** Endpoints to be notified whether or not the ledger grew. */
  private requested = new Set<string>();
  /** Who was not notified by then is notified again, ms since the epoch. */
  private retryAt = 0;

  constructor(deps: Deps) {
    this.deps = deps;
    const [row] = deps.sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'announced'").toArray();
    this.announced = row ? Number(row.value) : 0;
  }

  due(): number {
    return this.pending ? this.retryAt : Number.POSITIVE_INFINITY;
  }

  run(now: number): void {
    this.retryAt = now + ANNOUNCE_MS;
    this.soon();
  }

  /** To be called in the turn that appended to the ledger. */
  ledgerGrew(): void {
    if (this.deps.endpoints.count > 0) this.setAlarm();
  }

  /** Notifies one endpoint that was made, resumed or changed. */
  notify(id: string): void {
    this.requested.add(id);
    this.setAlarm();
  }

  /** Notifies every endpoint that is not paused. */
  notifyAll(now: number): void {
    for (const { id, state } of this.deps.endpoints.all()) if (state !== "paused") this.requested.add(id);
    this.run(now);
  }

  private setAlarm(): void {
    const now = this.deps.clock();
    // An earlier retry stays: appends that follow each other closely must not put it off.
    if (this.retryAt <= now) this.retryAt = now + ANNOUNCE_MS;
    this.deps.wake(now + ANNOUNCE_MS);
    this.soon();
  }

  private get pending(): boolean {
    return this.behind || this.requested.size > 0;
  }

  private get behind(): boolean {
    return this.deps.endpoints.count > 0 && this.announced < this.deps.ledger.head.seq;
  }

  /** After the turn that appended, so that several appends are one announcement. */
  private soon(): void {
    if (this.scheduled || this.running) return;
    this.scheduled = true;
    this.deps.detach(
      Promise.resolve().then(async () => {
        this.scheduled = false;
        this.running = true;
        try {
          let all = true;
          while (all && this.pending) all = await this.announce();
        } finally {
          this.running = false;
        }
      }),
    );
  }

  /** False when an endpoint could not be notified: the alarm tries again. */
  private async announce(): Promise<boolean> {
    const { endpoints, ledger, sql } = this.deps;
    const head = ledger.head.seq;
    const grown = head > this.announced;
    const requested = this.requested;
    this.requested = new Set();
    const waiting = endpoints
      .all()
      .filter(({ id, state }) => requested.has(id) || (grown && state === "active"))
      .map(({ id }) => id);
    const missed = new Set(waiting);
    const one = async () => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) if (await this.notified(id)) missed.delete(id);
    };
    const all = Promise.all(Array.from({ length: Math.min(CONCURRENT, waiting.length) }, one));
    await within(NOTIFY_TIMEOUT_MS, all, this.deps.sleep);
    for (const id of missed) this.requested.add(id);
    if (grown) {
      this.announced = head;
      // Not stored while one was missed: after a kill it must be found again.
      if (missed.size === 0)
        sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('announced', ?)", String(head));
    }
    return missed.size === 0;
  }

  private async notified(id: string): Promise<boolean> {
    const { endpoints, endpoint } = this.deps;
    const cursor = this.cursors.get(id);
    const record = endpoints.find(id);
    if (!record) return true;
    const known = cursor !== undefined && record.state === "active";
    const page = known ? endpoints.pageAfter(id, cursor, PAGE) : null;
    try {
      const answer = await endpoint(id).notify(page, record.activation);
      if (answer === null) this.cursors.delete(id);
      else this.cursors.set(id, answer);
      return true;
    } catch {
      this.cursors.delete(id);
      return false;
    }
  }
}
