import type { Clock } from "../../base/clock.ts";
import { type Random, randomBase62 } from "../../base/random.ts";
import type { Claim } from "../../operations/claims.ts";

type DownloadRow = { key: string; range: string | null; startedAt: number; auditRow: number };
type UploadRow = { name: string; size: number | null; startedAt: number; auditRow: number | null };

/**
 * Longer than any transfer can take; an older one has lost its Worker, which could not report its end. A download that
 * is resumed may take a slow client days, and can be resumed only as long as its row is there. An upload has one
 * connection to the server.
 */
const FORGOTTEN_MS = { download: 7 * 24 * 3_600_000, upload: 6 * 3_600_000 };

/**
 * The transfers under way: their beginnings and ends, never their bytes. They are rows, because an idle object is
 * put out of memory (by workerd after ten seconds), and most transfers take longer.
 *
 * A name is held by an upload that was reserved since the object came to memory. An earlier one may have lost its Worker:
 * it may still end, unless another upload has taken its name.
 */
export class Transfers {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly held = new Map<string, string>();

  constructor(sql: SqlStorage, clock: Clock, random: Random) {
    this.sql = sql;
    this.clock = clock;
    this.random = random;
  }

  begin(key: string, range: string | null, auditRow: number): string {
    const startedAt = this.clock();
    return this.insert("download", key, startedAt, { key, range, startedAt, auditRow } satisfies DownloadRow);
  }

  startedAt(id: string): number | null {
    return this.transfer(id)?.startedAt ?? null;
  }

  transfer(id: string): DownloadRow | null {
    return this.read("download", id);
  }

  end(id: string): DownloadRow | null {
    const transfer = this.transfer(id);
    if (transfer) this.remove(id);
    return transfer;
  }

  /** Gives the name to this upload. The caller has checked in the same turn that nobody else holds it. */
  reserve(name: string, size: number | null, auditRow: number | null): string {
    this.sql.exec("DELETE FROM transfers WHERE kind = 'upload' AND name = ?", name);
    const startedAt = this.clock();
    const id = this.insert("upload", name, startedAt, { name, size, startedAt, auditRow } satisfies UploadRow);
    this.held.set(name, id);
    return id;
  }

  /** The upload that holds this name, if there is one. */
  claims(name: string): Claim[] {
    const holder = this.held.get(name);
    const reservation = holder === undefined ? null : this.reservation(holder);
    if (holder === undefined || !reservation) return [];
    return [{ holder, purpose: "upload", begun: true, until: reservation.startedAt + FORGOTTEN_MS.upload }];
  }

  reservation(id: string): UploadRow | null {
    return this.read("upload", id);
  }

  release(id: string): UploadRow | null {
    const reservation = this.reservation(id);
    if (!reservation) return null;
    if (this.held.get(reservation.name) === id) this.held.delete(reservation.name);
    this.remove(id);
    return reservation;
  }

  private insert(
    kind: "download" | "upload",
    name: string,
    startedAt: number,
    record: DownloadRow | UploadRow,
  ): string {
    this.sweep();
    const id = randomBase62(this.random, 16);
    this.sql.exec(
      "INSERT INTO transfers (id, kind, name, started_at, record) VALUES (?, ?, ?, ?, ?)",
      id,
      kind,
      name,
      startedAt,
      JSON.stringify(record),
    );
    return id;
  }

  private read<T extends DownloadRow | UploadRow>(kind: "download" | "upload", id: string): T | null {
    const query = "SELECT record FROM transfers WHERE id = ? AND kind = ?";
    const row = this.sql.exec<{ record: string }>(query, id, kind).toArray()[0];
    return row ? JSON.parse(row.record) : null;
  }

  private remove(id: string): void {
    this.sql.exec("DELETE FROM transfers WHERE id = ?", id);
  }

  private sweep(): void {
    const now = this.clock();
    const forgotten = "DELETE FROM transfers WHERE kind = ? AND started_at NOT BETWEEN ? AND ?";
    for (const [kind, ms] of Object.entries(FORGOTTEN_MS)) this.sql.exec(forgotten, kind, now - ms, now + ms);
    for (const [name, id] of this.held) if (!this.reservation(id)) this.held.delete(name);
  }
}
