import type { Clock } from "../../base/clock.ts";
import { type Sleep, within } from "../../base/sleep.ts";
import type { FeedPage } from "../../webhooks/feed.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Endpoints } from "./endpoints.ts";

/** An endpoint's object, as far as the announcer goes. */
export type Pokable = { poke(page: FeedPage | null, activation: number): Promise<number | null> };

/** While an endpoint was not told, an alarm stands this far ahead: a kill delays the news by no more. */
export const ANNOUNCE_MS = 5_000;
/** Endpoints told at once. */
const ABREAST = 32;
/** An endpoint's object that takes longer than this, ms, is told again later: the others do not wait for it. */
const PATIENCE_MS = 5_000;
/** Events that go along with the news. */
const PAGE = 64;

type Deps = {
  sql: SqlStorage;
  ledger: Ledger;
  endpoints: Endpoints;
  endpoint: (id: string) => Pokable;
  clock: Clock;
  sleep: Sleep;
  detach: (work: Promise<unknown>) => void;
  /** An alarm no later than `at`, written with what this turn writes. */
  wake: (at: number) => void;
};

/**
 * Tells the endpoints that the ledger grew. Nothing depends on it but speed: what was not told is told at the next alarm,
 * and every endpoint reads from where it stands. Growth while an endpoint is being told is told once, afterwards.
 */
export class Announcer {
  private readonly deps: Deps;
  /** The head that every endpoint is known to have heard of. */
  private announced: number;
  /** Where each endpoint stood when it answered last. */
  private readonly stands = new Map<string, number>();
  private running = false;
  private scheduled = false;
  private urgent = new Set<string>();

  constructor(deps: Deps) {
    this.deps = deps;
    const [row] = deps.sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'announced'").toArray();
    this.announced = row ? Number(row.value) : 0;
  }

  /** When the alarm must come for it. */
  get due(): number {
    if (!this.behind && this.urgent.size === 0) return Number.POSITIVE_INFINITY;
    return this.deps.clock() + ANNOUNCE_MS;
  }

  /** In the turn that appended. */
  grew(): void {
    if (this.deps.endpoints.count === 0) return;
    this.deps.wake(this.deps.clock() + ANNOUNCE_MS);
    this.soon();
  }

  /** One endpoint has a reason of its own to look: it was made, resumed or changed. */
  tell(id: string): void {
    this.urgent.add(id);
    this.deps.wake(this.deps.clock() + ANNOUNCE_MS);
    this.soon();
  }

  /** From the alarm: tells who was not reached. */
  run(): void {
    if (this.behind || this.urgent.size > 0) this.soon();
  }

  /** The watchdog's round: everybody, so that an alarm which the platform dropped is armed again. */
  round(): void {
    for (const { id, state } of this.deps.endpoints.all()) if (state !== "paused") this.urgent.add(id);
    this.soon();
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
          while (all && (this.behind || this.urgent.size > 0)) all = await this.announce();
        } finally {
          this.running = false;
        }
      }),
    );
  }

  /** False when somebody could not be told: the alarm tries again. */
  private async announce(): Promise<boolean> {
    const { endpoints, ledger, sql } = this.deps;
    const head = ledger.head.seq;
    const grown = head > this.announced;
    const urgent = this.urgent;
    this.urgent = new Set();
    const waiting = endpoints
      .all()
      .filter(({ id, state }) => urgent.has(id) || (grown && state === "active"))
      .map(({ id }) => id);
    const untold = new Set(waiting);
    const one = async () => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) if (await this.poke(id)) untold.delete(id);
    };
    const all = Promise.all(Array.from({ length: Math.min(ABREAST, waiting.length) }, one));
    await within(PATIENCE_MS, all, this.deps.sleep);
    for (const id of untold) this.urgent.add(id);
    if (grown) {
      this.announced = head;
      // Those who were not reached must be found again after a kill.
      if (untold.size === 0)
        sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('announced', ?)", String(head));
    }
    return untold.size === 0;
  }

  private async poke(id: string): Promise<boolean> {
    const { endpoints, endpoint } = this.deps;
    const stands = this.stands.get(id);
    const record = endpoints.find(id);
    if (!record) return true;
    const next = stands === undefined || record.state !== "active" ? null : endpoints.next(id, stands, PAGE);
    try {
      const answer = await endpoint(id).poke(next?.page ?? null, record.activation);
      if (answer === null) this.stands.delete(id);
      else this.stands.set(id, answer);
      return true;
    } catch {
      this.stands.delete(id);
      return false;
    }
  }
}
