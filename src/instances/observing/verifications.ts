import type { VerifiedLevel } from "../../archive/arrival.ts";
import { type Clock, dueWithin } from "../../base/clock.ts";
import type { Verified } from "../../observing/made-at.ts";
import type { FileVersion } from "../../observing/tracked-backup.ts";

/** What is known of one backup's content. `pending`: waits for its turn; `no`: could not be inspected. */
export type Verification = {
  key: string;
  size: number;
  modified: number | null;
  medianSize: number | null;
  verified: Verified;
  /** How far it was looked into; null when it is not `ok`, undefined in rows of older relays. */
  level?: VerifiedLevel | null;
  reason: string | null;
  /** The newest time of a file in the archive, by the server's clock; null or undefined when it is not known. */
  newestEntry?: number | null;
  tries: number;
  /** ms since the epoch; the next try when pending. */
  at: number;
};

/** After this many failed reads a backup is not tried again. */
export const MAX_TRIES = 5;
/** How long one waits after its first failed read, ms; after each further one twice as long. */
const FIRST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = FIRST_WAIT_MS * 2 ** (MAX_TRIES - 1);

/** How long to wait after so many failed reads, ms. */
export const waitAfter = (tries: number): number => FIRST_WAIT_MS * 2 ** (tries - 1);

/**
 * The backups that were, or are to be, inspected after they appeared. Those that wait are read from the table once and
 * then kept in memory: thousands can appear at once, and each is written when its turn is over.
 */
export class Verifications {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;
  private waiting: Map<string, Verification> | null = null;
  /** Valid until something is written. */
  private soonest: number | null = null;

  constructor(sql: SqlStorage, clock: Clock) {
    this.sql = sql;
    this.clock = clock;
  }

  await(key: string, { size, modified }: FileVersion, medianSize: number | null): void {
    const at = this.clock();
    this.write({ key, size, modified, medianSize, verified: "pending", reason: null, tries: 0, at });
  }

  read(key: string): Verification | null {
    const [row] = this.sql.exec<{ record: string }>("SELECT record FROM verifications WHERE key = ?", key).toArray();
    return row ? JSON.parse(row.record) : null;
  }

  /** The one that has waited longest; null when none is due. */
  next(): Verification | null {
    const now = this.clock();
    for (;;) {
      let longest: Verification | null = null;
      for (const one of this.pending().values())
        if (dueAt(one, now) <= now && !(longest && longest.at <= one.at)) longest = one;
      if (!longest) return null;
      const stored = this.read(longest.key);
      if (stored?.verified === "pending") return stored;
      // Written in a transaction that was rolled back.
      this.waiting?.delete(longest.key);
      this.soonest = null;
    }
  }

  /** When the next one is due, ms since the epoch; null when none waits. */
  nextAt(): number | null {
    const now = this.clock();
    // Also when it was looked up while a clock ran ahead.
    if (this.soonest === null || dueWithin(this.soonest, LONGEST_WAIT_MS, now) !== this.soonest) {
      this.soonest = Number.POSITIVE_INFINITY;
      for (const one of this.pending().values()) this.soonest = Math.min(this.soonest, dueAt(one, now));
    }
    return this.soonest === Number.POSITIVE_INFINITY ? null : this.soonest;
  }

  private pending(): Map<string, Verification> {
    this.waiting ??= new Map(
      this.sql
        .exec<{ record: string }>("SELECT record FROM verifications")
        .toArray()
        .map((row): Verification => JSON.parse(row.record))
        .filter(({ verified }) => verified === "pending")
        .map((verification) => [verification.key, verification]),
    );
    return this.waiting;
  }

  write(verification: Verification): void {
    this.soonest = null;
    if (verification.verified === "pending") this.pending().set(verification.key, verification);
    else this.waiting?.delete(verification.key);
    this.sql.exec(
      "INSERT OR REPLACE INTO verifications (key, record) VALUES (?, ?)",
      verification.key,
      JSON.stringify(verification),
    );
  }

  /** To be called when the server's store changed. */
  forgetAllBut(stays: (key: string) => boolean): void {
    for (const { key } of this.sql.exec<{ key: string }>("SELECT key FROM verifications").toArray())
      if (!stays(key)) this.forget(key);
  }

  forget(key: string): void {
    this.soonest = null;
    this.waiting?.delete(key);
    this.sql.exec("DELETE FROM verifications WHERE key = ?", key);
  }
}

const dueAt = ({ at }: Verification, now: number): number => dueWithin(at, LONGEST_WAIT_MS, now);
