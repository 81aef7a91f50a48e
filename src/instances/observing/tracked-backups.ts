import { pastOrUnknown } from "../../base/clock.ts";
import type { Arrival } from "../../observing/made-at.ts";
import {
  type FileVersion,
  isDatedAhead,
  sameVersion,
  sightsOf,
  type TrackedBackup,
} from "../../observing/tracked-backup.ts";

/** The stored rows of what is known of each key, all of them in memory as well. */
export class TrackedBackups {
  private readonly sql: SqlStorage;
  private readonly rows = new Map<string, TrackedBackup>();

  constructor(sql: SqlStorage) {
    this.sql = sql;
    this.load();
  }

  get byKey(): ReadonlyMap<string, TrackedBackup> {
    return this.rows;
  }

  /** To be called when a transaction that wrote was rolled back. */
  load(): void {
    this.rows.clear();
    for (const { record } of this.sql.exec<{ record: string }>("SELECT record FROM tracked_backups")) {
      const backup: TrackedBackup = JSON.parse(record);
      this.rows.set(backup.key, backup);
    }
  }

  /** Stores what a look at `at` found, with the server's clock that much ahead. */
  see(backup: TrackedBackup, at: number, skewMs: number): void {
    const sights = sightsOf(backup, this.rows.get(backup.key)?.sights ?? [], { at, skewMs });
    this.write({ ...backup, firstSeen: pastOrUnknown(backup.firstSeen, at) ?? at, sights });
  }

  /** Those that were seen first by a clock that ran ahead: when that was is to be stored anew. */
  datedAhead(now: number): TrackedBackup[] {
    return [...this.rows.values()].filter((backup) => isDatedAhead(backup, now));
  }

  /** How a version came turned out. */
  arrived(key: string, version: FileVersion, arrival: Arrival): void {
    const backup = this.rows.get(key);
    if (!backup || arrival === null) return;
    const told = backup.sights?.map((sight) => (sameVersion(sight, version) ? { ...sight, arrival } : sight));
    this.write({ ...backup, sights: told });
  }

  forget(key: string): void {
    this.rows.delete(key);
    this.sql.exec("DELETE FROM tracked_backups WHERE key = ?", key);
  }

  /** What the ledger says is there. */
  announced(): (FileVersion & { key: string })[] {
    return [...this.rows.values()].flatMap(({ key, announced }) =>
      announced ? [{ key, size: announced.size, modified: announced.modified }] : [],
    );
  }

  private write(backup: TrackedBackup): void {
    this.rows.set(backup.key, backup);
    this.sql.exec(
      "INSERT OR REPLACE INTO tracked_backups (key, record) VALUES (?, ?)",
      backup.key,
      JSON.stringify(backup),
    );
  }
}
