import type { FedEvent, FeedPage } from "../webhooks/feed.ts";

/**
 * A delivery that is neither through nor given up. `due` in ms since the epoch. `again`: asked for once more while it is
 * under way; should that be forgotten by a kill, the kill itself sends it again.
 */
export type Open = {
  seq: number;
  event: string;
  type: string;
  attempts: number;
  due: number;
  leased: boolean;
  again?: boolean;
};

/** A delivery that came through; times in ms. */
export type Success = { open: Open; at: number; ms: number; status: number };

const WAITING = 0;
const LEASED = 1;
const DELIVERED = 2;
const GIVEN_UP = 3;

/** Ended deliveries that are kept to be looked at; twice as many may gather before the oldest are removed. */
export const KEPT_DELIVERIES = 1_000;

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

export type Ended = {
  seq: number;
  event: string;
  type: string;
  state: number;
  attempts: number;
  at: number;
  ms: number | null;
  status: number | null;
};

/**
 * The deliveries of one endpoint and its place in the ledger. The open ones are held in memory as well: looking for what
 * is due reads no rows and needs no index, which would cost a row per write. What belongs together is written in one
 * turn, which the platform commits as one, before anything leaves the object.
 */
export class Deliveries {
  readonly open = new Map<number, Open>();
  cursor = 0;
  lastSuccess: number | null = null;
  private turn = 0;
  private ended = 0;
  private readonly sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.sql = sql;
    for (const row of sql.exec<Row>("SELECT seq, event, type, state, attempts, due, turn, upto FROM deliveries")) {
      if (row.turn > this.turn) this.standAt(row.turn, row.upto);
      if (row.state === WAITING || row.state === LEASED) {
        // What was leased when the object ended may have been sent or not: it goes out (again) at once.
        const { seq, event, type, attempts } = row;
        const leased = row.state === LEASED;
        this.open.set(seq, { seq, event, type, attempts, due: leased ? 0 : row.due, leased });
      } else this.ended++;
    }
    const [placed] = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'place'").toArray();
    const place = placed ? (JSON.parse(placed.value) as { turn: number; upto: number }) : null;
    if (place && place.turn > this.turn) this.standAt(place.turn, place.upto);
    const [last] = sql
      .exec<{ at: number | null }>("SELECT max(at) AS at FROM deliveries WHERE state = ?", DELIVERED)
      .toArray();
    this.lastSuccess = last?.at ?? null;
  }

  /** Reads a stretch of the ledger in: a leased row for each event, and with them the cursor. Returns the new ones. */
  take(page: FeedPage, at: number): Open[] {
    // A replay comes across what is still on its way.
    const fresh = page.events.filter(({ seq }) => !this.open.has(seq));
    const taken = fresh.map(
      ({ seq, id, type }): Open => ({ seq, event: id, type, attempts: 1, due: at, leased: true }),
    );
    if (taken.length > 0) {
      this.standAt(this.turn + 1, page.nextAfter);
      this.sql.exec(
        "INSERT OR REPLACE INTO deliveries (seq, event, type, state, attempts, due, at, turn, upto) SELECT value ->> 0, value ->> 1, value ->> 2, ?, 1, ?, ?, ?, ? FROM json_each(?)",
        LEASED,
        at,
        at,
        this.turn,
        page.nextAfter,
        JSON.stringify(taken.map(({ seq, event, type }) => [seq, event, type])),
      );
      for (const open of taken) this.open.set(open.seq, open);
    } else if (page.nextAfter !== this.cursor) this.moveTo(page.nextAfter);
    return taken;
  }

  /** Moves the cursor alone: a replay, or a stretch without anything for this endpoint. */
  moveTo(seq: number): void {
    this.standAt(this.turn + 1, seq);
    const place = JSON.stringify({ turn: this.turn, upto: seq });
    this.sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('place', ?)", place);
  }

  /**
   * Goes back to read again what comes after `seq`. What of it still waits for its next attempt starts over now: whoever
   * asks for it has mended the receiver.
   */
  replay(seq: number, at: number): void {
    this.moveTo(Math.min(seq, this.cursor));
    this.sql.exec("UPDATE deliveries SET attempts = 0, due = ? WHERE state = ? AND seq > ?", at, WAITING, seq);
    for (const open of this.open.values())
      if (open.seq > seq && !open.leased) Object.assign(open, { attempts: 0, due: at });
  }

  /** Before a retry is sent. What was leased already stays as it is. */
  lease(open: Open): void {
    if (open.leased) return;
    open.attempts++;
    open.leased = true;
    this.sql.exec("UPDATE deliveries SET state = ?, attempts = ? WHERE seq = ?", LEASED, open.attempts, open.seq);
  }

  /** In one statement: a statement each would cost as much as a signature. */
  delivered(successes: readonly Success[]): void {
    const through: Success[] = [];
    for (const success of successes) {
      const { open, at } = success;
      this.lastSuccess = at;
      if (!this.startsAnew(open, at) && this.open.delete(open.seq)) through.push(success);
    }
    if (through.length === 0) return;
    // `due` gives its bytes to what is written now: a row that does not grow stays on its page.
    this.sql.exec(
      "UPDATE deliveries SET state = ?, due = 0, at = value ->> 1, ms = value ->> 2, status = value ->> 3 FROM json_each(?) WHERE seq = value ->> 0",
      DELIVERED,
      JSON.stringify(through.map(({ open, at, ms, status }) => [open.seq, at, ms, status])),
    );
    this.ended += through.length;
    if (this.ended > 2 * KEPT_DELIVERIES) this.prune();
  }

  retryAt(open: Open, due: number): void {
    open.leased = false;
    open.due = due;
    this.sql.exec("UPDATE deliveries SET state = ?, due = ? WHERE seq = ?", WAITING, due, open.seq);
  }

  giveUp(open: Open, at: number, status: number | null): void {
    if (this.startsAnew(open, at)) return;
    const { seq } = open;
    this.open.delete(seq);
    this.sql.exec("UPDATE deliveries SET state = ?, at = ?, status = ? WHERE seq = ?", GIVEN_UP, at, status, seq);
    if (++this.ended > 2 * KEPT_DELIVERIES) this.prune();
  }

  /** One event once more, from the first rung of the ladder. */
  again({ seq, id, type }: FedEvent, at: number): void {
    const open = this.open.get(seq);
    if (open) {
      if (open.leased) open.again = true;
      else this.retryAt(open, at);
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

  /** After the endpoint was resumed: everything that waits starts over, now. */
  startOver(at: number): void {
    this.sql.exec(
      "UPDATE deliveries SET state = ?, attempts = 0, due = ? WHERE state IN (?, ?)",
      WAITING,
      at,
      WAITING,
      LEASED,
    );
    for (const open of this.open.values()) Object.assign(open, { attempts: 0, due: at, leased: false });
  }

  /** Newest first, those that ended at `upto` (ms) or before. */
  delivereds(limit: number, upto: number): Ended[] {
    return this.sql
      .exec<Ended>(
        "SELECT seq, event, type, state, attempts, at, ms, status FROM deliveries WHERE state = ? AND at <= ? ORDER BY at DESC, seq DESC LIMIT ?",
        DELIVERED,
        upto,
        limit,
      )
      .toArray();
  }

  /** True for what was asked for once more while it was under way, however that ended. */
  private startsAnew(open: Open, at: number): boolean {
    if (!open.again) return false;
    Object.assign(open, { again: false, attempts: 0 });
    this.retryAt(open, at);
    return true;
  }

  private prune(): void {
    // Counted anew: what a replay sent again has no second row.
    this.ended = this.countEnded();
    if (this.ended <= 2 * KEPT_DELIVERIES) return;
    const [border] = this.sql
      .exec<{ at: number }>(
        "SELECT at FROM deliveries WHERE state IN (?, ?) ORDER BY at DESC LIMIT 1 OFFSET ?",
        DELIVERED,
        GIVEN_UP,
        KEPT_DELIVERIES,
      )
      .toArray();
    if (!border) return;
    // The rows of the newest turn hold the cursor.
    this.sql.exec(
      "DELETE FROM deliveries WHERE state IN (?, ?) AND at <= ? AND turn < ?",
      DELIVERED,
      GIVEN_UP,
      border.at,
      this.turn,
    );
    this.ended = this.countEnded();
  }

  private countEnded(): number {
    return this.sql
      .exec<{ n: number }>("SELECT count(*) AS n FROM deliveries WHERE state IN (?, ?)", DELIVERED, GIVEN_UP)
      .one().n;
  }

  private standAt(turn: number, upto: number): void {
    this.turn = turn;
    this.cursor = upto;
  }
}
