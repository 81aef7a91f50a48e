import type { MadeBy } from "../../archive/preflight.ts";
import { isoTime } from "../../base/clock.ts";
import { readServerTime } from "../../base/server-time.ts";
import type { Actor } from "../../ledger/catalogue/shapes.ts";
import type { EventOf } from "../../ledger/event.ts";
import type { ListedBackup } from "../../upstream/backups-api.ts";

/** Who made or removed a backup, and by which operation. */
export type Origin = { actor: Actor; operation: string | null };

type AnnouncedBackup = Origin & { size: number; modified: string | null };

/** Who made the backups that are there, as the ledger says. Reads each event once. */
export class BackupOrigins {
  private readonly sql: SqlStorage;
  private readonly known = new Map<string, AnnouncedBackup>();
  private through = 0;

  constructor(sql: SqlStorage) {
    this.sql = sql;
  }

  /**
   * Null when the ledger has no event of this version of the file: not announced yet, older than the ledger, or
   * replaced.
   */
  of({ key, size, modified }: ListedBackup): Origin | null {
    this.catchUp();
    const known = this.known.get(key);
    const at = readServerTime(modified);
    const same = known?.size === size && known.modified === (at === null ? null : isoTime(at));
    return known && same ? { actor: known.actor, operation: known.operation } : null;
  }

  /** For the preflight: the server when the relay asked it to, a key that uploaded it, else unknown. */
  madeBy(backup: ListedBackup): MadeBy {
    const origin = this.of(backup);
    if (origin?.operation) return { kind: "server" };
    const { kind, id, name } = origin?.actor ?? { kind: "upstream" };
    return kind === "key" && id ? { kind: "key", id, name: name ?? "" } : { kind: "unknown" };
  }

  private catchUp(): void {
    const rows = this.sql.exec<{ seq: number; text: string }>(
      "SELECT seq, text FROM events WHERE seq > ? AND type IN ('backup.created', 'backup.changed') ORDER BY seq",
      this.through,
    );
    for (const { seq, text } of rows) {
      const { data } = JSON.parse(text) as EventOf<"backup.created">;
      const { key, size, modified } = data.backup;
      this.known.set(key, { actor: data.actor, operation: data.operation ?? null, size, modified });
      this.through = seq;
    }
  }
}
