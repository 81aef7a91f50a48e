import type { Clock } from "../../base/clock.ts";
import type { Actor } from "../../ledger/catalogue/shapes.ts";

export type Deed = "made" | "deleted";
export type Attribution = { actor: Actor; operation: string | null };

/** A fact that shows up later than this after the deed has another cause. */
const WINDOW_MS = 3_600_000;

/**
 * Who is about to do what to which backup. Written before it is asked of the server, read by the observer when it finds
 * the fact: the relay never announces its own doings, it only says whose they were.
 */
export class Attributions {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;

  constructor(sql: SqlStorage, clock: Clock) {
    this.sql = sql;
    this.clock = clock;
  }

  intend(key: string, deed: Deed, { actor, operation }: Attribution): void {
    this.sql.exec(
      "INSERT OR REPLACE INTO attributions (key, deed, at, actor, operation) VALUES (?, ?, ?, ?, ?)",
      key,
      deed,
      this.clock(),
      JSON.stringify(actor),
      operation,
    );
  }

  /** The deed did not happen. */
  withdraw(key: string, deed: Deed): void {
    this.sql.exec("DELETE FROM attributions WHERE key = ? AND deed = ?", key, deed);
  }

  /** Whose doing the fact is; null: not the relay's. Consumed, so that a later fact of the same name is not mistaken. */
  claim(key: string, deed: Deed): Attribution | null {
    const [row] = this.sql
      .exec<{ at: number; actor: string; operation: string | null }>(
        "SELECT at, actor, operation FROM attributions WHERE key = ? AND deed = ?",
        key,
        deed,
      )
      .toArray();
    if (!row) return null;
    this.withdraw(key, deed);
    return this.clock() - row.at > WINDOW_MS ? null : { actor: JSON.parse(row.actor), operation: row.operation };
  }

  /** Forgets what nobody will ask for any more. */
  prune(): void {
    this.sql.exec("DELETE FROM attributions WHERE at < ?", this.clock() - WINDOW_MS);
  }
}
