import type { Clock } from "../../base/clock.ts";
import type { Origin } from "./backup-origins.ts";

export type ChangeKind = "made" | "deleted";

/** A fact that shows up later than this after the deed has another cause. */
const WINDOW_MS = 3_600_000;

/**
 * Who is about to do what to which backup. Written before it is asked of the server, read by the observer when it finds
 * the fact: the relay never announces its own doings, it only says whose they were.
 */
export class ExpectedChanges {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;

  constructor(sql: SqlStorage, clock: Clock) {
    this.sql = sql;
    this.clock = clock;
  }

  expect(key: string, change: ChangeKind, { actor, operation }: Origin): void {
    this.sql.exec(
      "INSERT OR REPLACE INTO expected_changes (key, change, at, actor, operation) VALUES (?, ?, ?, ?, ?)",
      key,
      change,
      this.clock(),
      JSON.stringify(actor),
      operation,
    );
  }

  /** The deed did not happen. */
  withdraw(key: string, change: ChangeKind): void {
    this.sql.exec("DELETE FROM expected_changes WHERE key = ? AND change = ?", key, change);
  }

  /** Whose doing the fact is; null: not the relay's. Consumed, so that a later fact of the same name is not mistaken. */
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
    return this.clock() - row.at > WINDOW_MS ? null : { actor: JSON.parse(row.actor), operation: row.operation };
  }

  /** Forgets what nobody will ask for any more. */
  prune(): void {
    this.sql.exec("DELETE FROM expected_changes WHERE at < ?", this.clock() - WINDOW_MS);
  }
}
