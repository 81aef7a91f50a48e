/** States of a delivery's row; 0 and 1 are those of open ones. */
export const DELIVERED = 2;
export const GIVEN_UP = 3;

/** Finished deliveries that are kept to be looked at; twice as many may gather before the oldest are removed. */
export const KEPT_DELIVERIES = 1_000;

/** Results are written in the order of their ends, give or take less than this, ms. */
const DAY_MS = 86_400_000;

/** A delivery that succeeded; times in ms, null when they were not measured. */
type DeliveredRow = {
  seq: number;
  event: string;
  type: string;
  attempts: number;
  at: number;
  ms: number | null;
  status: number | null;
};

/** The rows of deliveries that succeeded or were given up: counted, listed, and removed when there are too many. */
export class FinishedDeliveries {
  /** Those that were sent again by a replay may count twice; `prune` counts anew. */
  count = 0;
  private readonly sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.sql = sql;
  }

  /** When the last one succeeded, ms. */
  get lastSuccess(): number | null {
    const found = this.sql.exec<{ at: number | null }>(
      "SELECT max(at) AS at FROM deliveries WHERE state = ?",
      DELIVERED,
    );
    return found.one().at;
  }

  /** More have finished, at `at` (ms). `turn` is the newest; its rows hold the cursor and stay. */
  add(count: number, turn: number, at: number): void {
    this.count += count;
    if (this.count > 2 * KEPT_DELIVERIES) this.prune(turn, at);
  }

  /** Those that succeeded, newest first, at `upto` (ms) or before. */
  delivered(limit: number, upto: number): DeliveredRow[] {
    return this.sql
      .exec<DeliveredRow>(
        "SELECT seq, event, type, attempts, at, ms, status FROM deliveries WHERE state = ? AND at <= ? ORDER BY at DESC, seq DESC LIMIT ?",
        DELIVERED,
        upto,
        limit,
      )
      .toArray();
  }

  private prune(turn: number, now: number): void {
    this.recount();
    if (this.count <= 2 * KEPT_DELIVERIES) return;
    // What a clock dated ahead goes first, or it would be the newest for as long as that clock was wrong.
    this.sql.exec("UPDATE deliveries SET at = 0 WHERE state IN (?, ?) AND at > ?", DELIVERED, GIVEN_UP, now + DAY_MS);
    const [border] = this.sql
      .exec<{ at: number }>(
        "SELECT at FROM deliveries WHERE state IN (?, ?) ORDER BY at DESC LIMIT 1 OFFSET ?",
        DELIVERED,
        GIVEN_UP,
        KEPT_DELIVERIES,
      )
      .toArray();
    if (!border) return;
    this.sql.exec(
      "DELETE FROM deliveries WHERE state IN (?, ?) AND at <= ? AND turn < ?",
      DELIVERED,
      GIVEN_UP,
      border.at,
      turn,
    );
    this.recount();
  }

  private recount(): void {
    this.count = this.sql
      .exec<{ n: number }>("SELECT count(*) AS n FROM deliveries WHERE state IN (?, ?)", DELIVERED, GIVEN_UP)
      .one().n;
  }
}
