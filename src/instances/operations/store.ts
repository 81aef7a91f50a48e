import type { Clock } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import { type Random, randomBase62 } from "../../base/random.ts";
import { expiryOf } from "../../operations/approval.ts";
import { affectsServer, needsServer, type OperationKinds } from "../../operations/kind.ts";
import { isFinal, type Operation, type OperationActor } from "../../operations/operation.ts";
import { placeInQueue } from "../../operations/queue.ts";
import type { Ledger } from "../ledger/store.ts";
import { eventsOf, type Occasion } from "./events.ts";

export type OperationFilter = { state: string | null; kind: string | null };

/** Finished rows that are kept; the oldest go first. */
const KEPT = 1_000;

/** A restore can be undone for a day; before it is sent it may have waited a day for an approval, and in line. */
const RECENT_MS = 72 * 3_600_000;

type Effects = {
  kinds: OperationKinds;
  storage: DurableObjectStorage;
  ledger: Ledger;
  clock: Clock;
  random: Random;
  sleep: (ms: number) => Promise<void>;
};

/** The operations as rows: what they are, who waits for one, and which events a change of one makes. */
export class OperationStore {
  private readonly sql: SqlStorage;
  private readonly effects: Effects;
  private readonly waiting = new Map<string, Set<() => void>>();
  /** The time in the newest id, ms since the epoch; null when it is to be read. */
  private latest: number | null = null;
  private unfinished: readonly Operation[] | null = null;

  constructor(effects: Effects) {
    this.effects = effects;
    this.sql = effects.storage.sql;
  }

  /**
   * A new id, and when it was requested. Ids sort in the order of requests, also within one millisecond and after a clock
   * was set back.
   */
  next(): { id: string; at: number } {
    const at = this.effects.clock();
    this.latest = Math.max(at, (this.latest ?? this.newestTime()) + 1);
    return { id: operationId(this.latest, this.effects.random), at };
  }

  /** Those that have not ended, oldest first. Kept until a row is written, so that an idle look reads no row for it. */
  active(): readonly Operation[] {
    this.unfinished ??= this.records("SELECT record FROM operations WHERE active = 1 ORDER BY id");
    return this.unfinished;
  }

  /** Those that need the server's lock, oldest first; those that wait for an approval are not in line yet. */
  line(): Operation[] {
    const inLine = (each: Operation) => each.state !== "awaiting_approval" && needsServer(this.effects.kinds, each);
    return this.active().filter(inLine);
  }

  /** Those requested within the last three days, oldest first. */
  recent(): Operation[] {
    const since = operationId(this.effects.clock() - RECENT_MS, () => new Uint8Array(18));
    return this.records("SELECT record FROM operations WHERE id > ? ORDER BY id", since);
  }

  /** Whether the server is being worked on, or is about to be: what waits for an approval does not count. */
  get busy(): boolean {
    const { kinds } = this.effects;
    return this.active().some((each) => each.state !== "awaiting_approval" && affectsServer(kinds, each));
  }

  /** How many go before this one; null when it is not in line. */
  place({ id }: Operation): number | null {
    return placeInQueue(this.line(), id);
  }

  /** When the next approval expires, ms since the epoch. */
  nextExpiry(now: number): number | null {
    const ends = this.active().flatMap((operation) => expiryOf(operation, now) ?? []);
    return ends.length > 0 ? Math.min(...ends) : null;
  }

  read(id: string): Operation | null {
    return this.records("SELECT record FROM operations WHERE id = ?", id)[0] ?? null;
  }

  /** Newest first; the cursor is the last id given out. */
  list(request: PageRequest & OperationFilter, visible: (operation: Operation) => boolean): Page<Operation> {
    const items: Operation[] = [];
    const rows = this.sql.exec<{ record: string }>(
      "SELECT record FROM operations WHERE id < ? ORDER BY id DESC",
      request.cursor ?? "op_~",
    );
    for (const row of rows) {
      const operation: Operation = JSON.parse(row.record);
      if (request.state && operation.state !== request.state) continue;
      if (request.kind && operation.kind !== request.kind) continue;
      if (!visible(operation)) continue;
      items.push(operation);
      if (items.length > request.limit) break;
    }
    const shown = items.slice(0, request.limit);
    return { items: shown, nextCursor: items.length > request.limit ? shown.at(-1)!.id : null };
  }

  /** The operation once it ended, or `until` is true of it, or after `seconds` at the latest. */
  async wait(
    id: string,
    seconds: number,
    until: (operation: Operation) => boolean = isFinal,
  ): Promise<Operation | null> {
    const end = this.effects.clock() + seconds * 1000;
    for (;;) {
      const operation = this.read(id);
      const left = end - this.effects.clock();
      if (!operation || isFinal(operation) || until(operation) || left <= 0) return operation;
      let wake = () => {};
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const waiters = this.waiting.get(id) ?? new Set();
      this.waiting.set(id, waiters.add(wake));
      await Promise.race([changed, this.effects.sleep(Math.min(left, 1_000))]);
      waiters.delete(wake);
    }
  }

  /** The row and the events that its change makes, in one transaction. */
  write(operation: Operation, occasion: Occasion, decider: OperationActor | null = null): void {
    this.unfinished = null;
    this.effects.storage.transactionSync(() => {
      this.sql.exec(
        "INSERT OR REPLACE INTO operations (id, active, record) VALUES (?, ?, ?)",
        operation.id,
        isFinal(operation) ? 0 : 1,
        JSON.stringify(operation),
      );
      this.effects.ledger.append(eventsOf(operation, occasion, decider));
    });
    for (const wake of this.waiting.get(operation.id) ?? []) wake();
  }

  /** Deletes the oldest finished rows. */
  prune(): void {
    this.sql.exec(
      "DELETE FROM operations WHERE active = 0 AND id < (SELECT id FROM operations ORDER BY id DESC LIMIT 1 OFFSET ?)",
      KEPT,
    );
  }

  private newestTime(): number {
    const [row] = this.sql.exec<{ id: string }>("SELECT id FROM operations ORDER BY id DESC LIMIT 1").toArray();
    return row ? Number.parseInt(row.id.slice("op_".length, "op_".length + TIME_DIGITS), 36) : 0;
  }

  private records(query: string, ...bindings: string[]): Operation[] {
    return this.sql
      .exec<{ record: string }>(query, ...bindings)
      .toArray()
      .map((row) => JSON.parse(row.record));
  }
}

/** So many base36 digits of milliseconds sort by time until the year 5188; the random rest keeps two of one moment apart. */
const TIME_DIGITS = 9;
const operationId = (at: number, random: Random): string =>
  `op_${at.toString(36).padStart(TIME_DIGITS, "0")}${randomBase62(random, 10)}`;
