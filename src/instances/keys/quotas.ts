import type { QuotaUse } from "../../access/decision.ts";
import type { Scope } from "../../access/scope.ts";

/** Uses per key, scope and UTC day. Written at once: a kill must not give a day's quota back. */
export class Quotas {
  private readonly sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.sql = sql;
  }

  used(key: string, scope: Scope, day: string): number {
    const row = this.sql
      .exec<{ day: string; used: number }>("SELECT day, used FROM quotas WHERE key = ? AND scope = ?", key, scope)
      .toArray()[0];
    return row?.day === day ? row.used : 0;
  }

  use(key: string, scope: Scope, day: string): void {
    this.sql.exec(
      `INSERT INTO quotas (key, scope, day, used) VALUES (?1, ?2, ?3, 1)
       ON CONFLICT (key, scope) DO UPDATE SET used = CASE WHEN day = ?3 THEN used + 1 ELSE 1 END, day = ?3`,
      key,
      scope,
      day,
    );
  }

  /** For what was refused after it was counted; a day that is over stays as it is. */
  giveBack({ key, scope, day }: QuotaUse): void {
    this.sql.exec(
      "UPDATE quotas SET used = used - 1 WHERE key = ? AND scope = ? AND day = ? AND used > 0",
      key,
      scope,
      day,
    );
  }
}
