import { type Clock, dueWithin, isWithin } from "../../base/clock.ts";
import type { Origin } from "./backup-origins.ts";

type ChangeKind = "made" | "deleted";

/** A fact that shows up later than this after the request has another cause. */
const WINDOW_MS = 3_600_000;

/**
 * Who is about to change which backup. Written before the request is sent, read by the observer when a list shows the
 * change: events come from lists alone, and this table only adds actor and operation to them.
 */
export class ExpectedChanges {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;
  /** When the oldest was written; `Infinity` when there is none, undefined when the table is to be asked. */
  private oldest: number | undefined;

  constructor(sql: SqlStorage, clock: Clock) {
    this.sql = sql;
    this.clock = clock;
  }

  expect(key: string, change: ChangeKind, { actor, operation }: Origin): void {
    this.oldest = undefined;
    this.sql.exec(
      "INSERT OR REPLACE INTO expected_changes (key, change, at, actor, operation) VALUES (?, ?, ?, ?, ?)",
      key,
      change,
      this.clock(),
      JSON.stringify(actor),
      operation,
    );
  }

  /** The change did not happen. */
  withdraw(key: string, change: ChangeKind): void {
    this.oldest = undefined;
    this.sql.exec("DELETE FROM expected_changes WHERE key = ? AND change = ?", key, change);
  }

  /**
   * Who made the change; null: not the relay. The row is removed, so that a later change of the same name is not
   * mistaken for it.
   */
  consume(key: string, change: ChangeKind): Origin | null {
    const [row] = this.sql
      .exec<{ at: number; actor: string; operation: string | null }>(
        "SELECT at, actor, operation FROM expected_changes WHERE key = ? AND change = ?",
        key,
        change,
      )
      .toArray();
    if (!row) return null;
    this.withdraw(key, change);
    if (!isWithin(row.at, WINDOW_MS, this.clock())) return null;
    return { actor: JSON.parse(row.actor), operation: row.operation };
  }

  /** When the oldest row is too old to explain a change, ms since the epoch. */
  get pruneAt(): number {
    this.oldest ??=
      this.sql.exec<{ at: number | null }>("SELECT min(at) AS at FROM expected_changes").one().at ?? Infinity;
    // Rows of a clock that ran ahead are too old as well.
    return dueWithin(this.oldest + WINDOW_MS + 1, 2 * WINDOW_MS + 1, this.clock());
  }

  /** Removes rows that are too old to explain a change. */
  prune(): void {
    this.oldest = undefined;
    const now = this.clock();
    this.sql.exec("DELETE FROM expected_changes WHERE at NOT BETWEEN ? AND ?", now - WINDOW_MS, now + WINDOW_MS);
  }
}
