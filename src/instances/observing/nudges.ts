import type { Clock } from "../../base/clock.ts";
import { NUDGE_SKEW_MS, readNudge } from "../../observing/nudge.ts";

/** More genuine nudges than this in ten minutes are not needed. */
const MAX_NONCES = 1_000;
/** A nudge is in time for at most this long, however the clocks of its sender and ours differ. */
const KEPT_MS = 2 * NUDGE_SKEW_MS;

/**
 * Signed hints from outside that the server has changed, each taken once. Their nonces are rows, because an object forgets
 * within seconds what a nudge is in time for minutes.
 */
export class Nudges {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;

  constructor(sql: SqlStorage, clock: Clock) {
    this.sql = sql;
    this.clock = clock;
  }

  /** Whether a nudge is genuine, in time and not seen before. */
  accept(secret: string, body: string, signature: string): boolean {
    const now = this.clock();
    const nonce = readNudge(secret, body, signature, now);
    if (nonce === null) return false;
    this.sql.exec("DELETE FROM nudges WHERE at NOT BETWEEN ? AND ?", now - KEPT_MS, now + KEPT_MS);
    if (this.sql.exec("SELECT count(*) AS kept FROM nudges").one().kept === MAX_NONCES) return false;
    const written = this.sql.exec("INSERT OR IGNORE INTO nudges (nonce, at) VALUES (?, ?)", nonce, now).rowsWritten;
    return written > 0;
  }
}
