import type { ApiKey, Lineage } from "../../access/key.ts";
import { isBelow, lineageOf } from "../../access/lineage.ts";
import type { Clock } from "../../base/clock.ts";
import type { Page } from "../../base/page.ts";

export type KeyUse = { uses: number; at: number | null; address: string | null };

/**
 * The keys of one instance. This object is the only writer, so rows that were read stay in memory; uses are
 * counted in memory and written together.
 */
export class KeyStore {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;
  private readonly known = new Map<string, ApiKey | null>();
  private readonly used = new Map<string, KeyUse>();

  constructor(sql: SqlStorage, clock: Clock) {
    this.sql = sql;
    this.clock = clock;
  }

  find(id: string): ApiKey | null {
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const row = this.sql.exec<{ record: string }>("SELECT record FROM keys WHERE id = ?", id).toArray()[0];
    const key: ApiKey | null = row ? JSON.parse(row.record) : null;
    // Ids that do not exist are not remembered: anybody can make them up.
    if (key) this.known.set(id, key);
    return key;
  }

  lineage(id: string): Lineage | null {
    return lineageOf((each) => this.find(each), id);
  }

  insert(key: ApiKey): void {
    this.sql.exec("INSERT INTO keys (id, parent, record) VALUES (?, ?, ?)", key.id, key.parent, JSON.stringify(key));
    this.known.set(key.id, key);
  }

  update(key: ApiKey): void {
    this.sql.exec("UPDATE keys SET record = ? WHERE id = ?", JSON.stringify(key), key.id);
    this.known.set(key.id, key);
  }

  /** The keys that it minted itself. */
  children(id: string): ApiKey[] {
    return this.sql
      .exec<{ record: string }>("SELECT record FROM keys WHERE parent = ?", id)
      .toArray()
      .map((row) => JSON.parse(row.record));
  }

  /** Removes the key and everything below it, which could do nothing without it. */
  remove(id: string): void {
    for (const child of this.children(id)) this.remove(child.id);
    this.sql.exec("DELETE FROM keys WHERE id = ?", id);
    this.sql.exec("DELETE FROM quotas WHERE key = ?", id);
    this.known.delete(id);
    this.used.delete(id);
  }

  all(): ApiKey[] {
    return this.sql
      .exec<{ record: string }>("SELECT record FROM keys ORDER BY id")
      .toArray()
      .map((row) => JSON.parse(row.record));
  }

  /** By id; the cursor is the last id given out. `above` limits the list to that key and those below it. */
  list(limit: number, cursor: string | null, above: string | null): Page<ApiKey> {
    const items: ApiKey[] = [];
    for (const row of this.sql.exec<{ id: string }>("SELECT id FROM keys WHERE id > ? ORDER BY id", cursor ?? "")) {
      const lineage = this.lineage(row.id);
      if (!lineage || (above !== null && row.id !== above && !isBelow(lineage, above))) continue;
      items.push(lineage[0]);
      if (items.length > limit) break;
    }
    const shown = items.slice(0, limit);
    return { items: shown, nextCursor: items.length > limit ? shown.at(-1)!.id : null };
  }

  noteUse(id: string, address: string | null): void {
    const use = this.used.get(id) ?? { uses: 0, at: null, address: null };
    this.used.set(id, { uses: use.uses + 1, at: this.clock(), address });
  }

  /** Uses that are written and those that are still in memory, together. */
  use(id: string): KeyUse {
    const row = this.sql
      .exec<{ uses: number; used_at: number | null; used_from: string | null }>(
        "SELECT uses, used_at, used_from FROM keys WHERE id = ?",
        id,
      )
      .toArray()[0];
    const recent = this.used.get(id);
    return {
      uses: (row?.uses ?? 0) + (recent?.uses ?? 0),
      at: recent?.at ?? row?.used_at ?? null,
      address: recent?.address ?? row?.used_from ?? null,
    };
  }

  get unwritten(): boolean {
    return this.used.size > 0;
  }

  flush(): void {
    for (const [id, use] of this.used)
      this.sql.exec(
        "UPDATE keys SET uses = uses + ?, used_at = ?, used_from = ? WHERE id = ?",
        use.uses,
        use.at,
        use.address,
        id,
      );
    this.used.clear();
  }
}
