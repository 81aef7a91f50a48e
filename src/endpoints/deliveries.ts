import type { FeedEvent, FeedPage } from "../webhooks/feed.ts";
import { DELIVERED, FinishedDeliveries, GIVEN_UP } from "./finished-deliveries.ts";

/** A delivery that has neither succeeded nor been given up. */
export type OpenDelivery = {
  seq: number;
  event: string;
  type: string;
  /** Attempts that were leased so far. */
  attempts: number;
  /** When the next attempt is due, ms. */
  due: number;
  /** Its row says that a request is about to leave or has left. */
  leased: boolean;
  /**
   * Asked for once more while it was leased: it starts over when that attempt ends. Not stored, because a leased delivery
   * is sent again after a kill anyway.
   */
  replayed?: boolean;
};

/** A delivery that succeeded; times in ms. */
export type Success = { delivery: OpenDelivery; at: number; ms: number; status: number };

const WAITING = 0;
const LEASED = 1;

type Row = {
  seq: number;
  event: string;
  type: string;
  state: number;
  attempts: number;
  due: number;
  turn: number;
  upto: number;
};

/**
 * The deliveries of one endpoint and its cursor in the ledger. The open ones are held in memory as well: looking for what
 * is due reads no rows and needs no index, which would cost a row per write. What belongs together is written in one
 * turn, which the platform commits as one, before anything leaves the object.
 */
export class Deliveries {
  readonly open = new Map<number, OpenDelivery>();
  readonly finished: FinishedDeliveries;
  cursor = 0;
  lastSuccess: number | null;
  /** Counts moves of the cursor: the row of the highest turn says where it is. */
  private turn = 0;
  private readonly sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.sql = sql;
    this.finished = new FinishedDeliveries(sql);
    for (const row of sql.exec<Row>("SELECT seq, event, type, state, attempts, due, turn, upto FROM deliveries")) {
      if (row.turn > this.turn) this.setCursor(row.turn, row.upto);
      if (row.state === WAITING || row.state === LEASED) {
        // What was leased when the object ended may have been sent or not: it is sent (again) at once.
        const { seq, event, type, attempts } = row;
        const leased = row.state === LEASED;
        this.open.set(seq, { seq, event, type, attempts, due: leased ? 0 : row.due, leased });
      } else this.finished.count++;
    }
    const [moved] = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'place'").toArray();
    const place = moved ? (JSON.parse(moved.value) as { turn: number; upto: number }) : null;
    if (place && place.turn > this.turn) this.setCursor(place.turn, place.upto);
    this.lastSuccess = this.finished.lastSuccess;
  }

  /** Writes a leased row for each event of a page, and the cursor with them. Returns the deliveries that are new. */
  addPage(page: FeedPage, at: number): OpenDelivery[] {
    // After a replay the page holds events whose delivery is still open.
    const fresh = page.events.filter(({ seq }) => !this.open.has(seq));
    const added = fresh.map(
      ({ seq, id, type }): OpenDelivery => ({ seq, event: id, type, attempts: 1, due: at, leased: true }),
    );
    if (added.length > 0) {
      this.setCursor(this.turn + 1, page.nextAfter);
      this.sql.exec(
        "INSERT OR REPLACE INTO deliveries (seq, event, type, state, attempts, due, at, turn, upto) SELECT value ->> 0, value ->> 1, value ->> 2, ?, 1, ?, ?, ?, ? FROM json_each(?)",
        LEASED,
        at,
        at,
        this.turn,
        page.nextAfter,
        JSON.stringify(added.map(({ seq, event, type }) => [seq, event, type])),
      );
      for (const delivery of added) this.open.set(delivery.seq, delivery);
    } else if (page.nextAfter !== this.cursor) this.moveTo(page.nextAfter);
    return added;
  }

  /** Moves the cursor alone: a replay, or a page without an event for this endpoint. */
  moveTo(seq: number): void {
    this.setCursor(this.turn + 1, seq);
    const place = JSON.stringify({ turn: this.turn, upto: seq });
    this.sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('place', ?)", place);
  }

  /**
   * Moves the cursor back to `seq`, to read again what comes after it. Deliveries after it that wait for a retry start over
   * now: whoever asks for a replay has mended the receiver.
   */
  replay(seq: number, at: number): void {
    this.moveTo(Math.min(seq, this.cursor));
    this.sql.exec("UPDATE deliveries SET attempts = 0, due = ? WHERE state = ? AND seq > ?", at, WAITING, seq);
    for (const delivery of this.open.values())
      if (delivery.seq > seq && !delivery.leased) Object.assign(delivery, { attempts: 0, due: at });
  }

  /** Sends one event once more, as if it were new. */
  replayOne({ seq, id, type }: FeedEvent, at: number): void {
    const delivery = this.open.get(seq);
    if (delivery) {
      if (delivery.leased) delivery.replayed = true;
      else this.retryAt(delivery, at);
      return;
    }
    this.sql.exec(
      "INSERT OR REPLACE INTO deliveries (seq, event, type, state, attempts, due, at, turn, upto) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?)",
      seq,
      id,
      type,
      WAITING,
      at,
      at,
      this.turn,
      this.cursor,
    );
    this.open.set(seq, { seq, event: id, type, attempts: 0, due: at, leased: false });
  }

  /** Before a request leaves. A delivery that is leased already stays as it is. */
  lease(delivery: OpenDelivery): void {
    if (delivery.leased) return;
    const { seq } = delivery;
    delivery.attempts++;
    delivery.leased = true;
    this.sql.exec("UPDATE deliveries SET state = ?, attempts = ? WHERE seq = ?", LEASED, delivery.attempts, seq);
  }

  /** In one statement: one for each would cost as much as a signature. */
  succeed(successes: readonly Success[]): void {
    const finished: Success[] = [];
    for (const success of successes) {
      const { delivery, at } = success;
      this.lastSuccess = at;
      if (!this.restartReplayed(delivery, at) && this.open.delete(delivery.seq)) finished.push(success);
    }
    if (finished.length === 0) return;
    // `due` gives its bytes to what is written now: a row that does not grow stays on its page.
    this.sql.exec(
      "UPDATE deliveries SET state = ?, due = 0, at = value ->> 1, ms = value ->> 2, status = value ->> 3 FROM json_each(?) WHERE seq = value ->> 0",
      DELIVERED,
      JSON.stringify(finished.map(({ delivery, at, ms, status }) => [delivery.seq, at, ms, status])),
    );
    this.finished.add(finished.length, this.turn, finished.at(-1)!.at);
  }

  retryAt(delivery: OpenDelivery, due: number): void {
    delivery.leased = false;
    delivery.due = due;
    this.sql.exec("UPDATE deliveries SET state = ?, due = ? WHERE seq = ?", WAITING, due, delivery.seq);
  }

  giveUp(delivery: OpenDelivery, at: number, status: number | null): void {
    if (this.restartReplayed(delivery, at)) return;
    const { seq } = delivery;
    this.open.delete(seq);
    this.sql.exec("UPDATE deliveries SET state = ?, at = ?, status = ? WHERE seq = ?", GIVEN_UP, at, status, seq);
    this.finished.add(1, this.turn, at);
  }

  /** After the endpoint was resumed: every open delivery starts over, now. */
  restartAll(at: number): void {
    this.sql.exec(
      "UPDATE deliveries SET state = ?, attempts = 0, due = ? WHERE state IN (?, ?)",
      WAITING,
      at,
      WAITING,
      LEASED,
    );
    for (const delivery of this.open.values()) Object.assign(delivery, { attempts: 0, due: at, leased: false });
  }

  /** True for one that was asked for once more while it was leased, however that attempt ended. */
  private restartReplayed(delivery: OpenDelivery, at: number): boolean {
    if (!delivery.replayed) return false;
    Object.assign(delivery, { replayed: false, attempts: 0 });
    this.retryAt(delivery, at);
    return true;
  }

  private setCursor(turn: number, seq: number): void {
    this.turn = turn;
    this.cursor = seq;
  }
}
