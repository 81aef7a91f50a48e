import type { Clock } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import { plainBytes, TRAIL_TEXT_BYTES } from "../../base/text.ts";
import { actorText } from "../actor.ts";
import type { Caller, CallerActor } from "../caller.ts";
import { type AuditFilter, auditPage } from "./page.ts";
import type { AuditReader } from "./reader.ts";
import { excess, type Holdings } from "./ring.ts";
import type { AuditEntry } from "./view.ts";

/** Rows kept of each kind; denials never push admitted rows out, nor one actor's rows those of another (`ring.ts`). */
const ADMITTED_ROWS = 20_000;
const DENIED_ROWS = 2_000;

const plain = (text: string): string => plainBytes(text, TRAIL_TEXT_BYTES);
const plainOrNull = (text: string | null): string | null => (text === null ? null : plain(text));

/** Who did or tried what. Admitted commands have a row each, written before they run; denials are counted per minute. */
export class Audit {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;
  /** Minute, actor, code and detail → denials since its row was last written. */
  private readonly uncounted = new Map<string, number>();

  constructor(sql: SqlStorage, clock: Clock) {
    this.sql = sql;
    this.clock = clock;
  }

  /** Writes a row before the command runs, and answers its number, for `outcome`. */
  admit(actor: CallerActor, action: string, target: string, caller: Caller, detail: string | null = null): number {
    const row = this.sql
      .exec(
        "INSERT INTO audit (at, actor, action, target, code, detail, address, user_agent, request_id) VALUES (?, ?, ?, ?, NULL, ?, ?, ?, ?) RETURNING id",
        this.clock(),
        actorText(actor),
        action,
        plain(target),
        plainOrNull(detail),
        plainOrNull(caller.address),
        plain(caller.userAgent),
        caller.requestId,
      )
      .one();
    const id = Number(row.id);
    if (id % 500 === 0) this.prune();
    return id;
  }

  private holdings(table: "audit" | "denials"): Holdings {
    return this.sql.exec<Holdings[number]>(`SELECT actor, count(*) AS rows FROM ${table} GROUP BY actor`).toArray();
  }

  private prune(): void {
    for (const [actor, rows] of excess(this.holdings("audit"), ADMITTED_ROWS))
      this.sql.exec(
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE actor = ? ORDER BY id LIMIT ?)",
        actor,
        rows,
      );
  }

  /** An admitted command that did nothing after all: its row becomes one of the denials, which are counted per minute. */
  didNothing(row: number, actor: string, code: string, action: string, target: string, caller: Caller): void {
    this.sql.exec("DELETE FROM audit WHERE id = ?", row);
    this.deny(actor, code, "nothing", action, target, caller);
  }

  /** Adds how an admitted command ended when that is worth a second write: a problem's code, or what was transferred. */
  outcome(row: number, code: string | null, detail: string | null): void {
    this.sql.exec(
      "UPDATE audit SET code = ?, detail = coalesce(?, detail) WHERE id = ?",
      code,
      plainOrNull(detail),
      row,
    );
  }

  /** The first denial of its kind in a minute is written at once, with what it was about; the others with the next `flush`. */
  deny(actor: string, code: string, detail: string, action: string, target: string, caller: Caller): void {
    const minute = Math.floor(this.clock() / 60_000);
    const kind = JSON.stringify([minute, actor, code, detail]);
    const uncounted = this.uncounted.get(kind);
    if (uncounted !== undefined) {
      this.uncounted.set(kind, uncounted + 1);
      return;
    }
    this.sql.exec(
      `INSERT INTO denials (minute, actor, code, detail, action, target, times, address, user_agent, request_id) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)
       ON CONFLICT (minute, actor, code, detail) DO UPDATE SET times = times + 1`,
      minute,
      actor,
      code,
      detail,
      action,
      plain(target),
      plainOrNull(caller.address),
      plain(caller.userAgent),
      caller.requestId,
    );
    if (this.uncounted.size >= DENIED_ROWS) this.flush();
    this.uncounted.set(kind, 0);
    const rows = Number(this.sql.exec("SELECT count(*) AS rows FROM denials").one().rows);
    if (rows > DENIED_ROWS) this.pruneDenials(minute);
  }

  private pruneDenials(minute: number): void {
    for (const [actor, rows] of excess(this.holdings("denials"), DENIED_ROWS))
      this.sql.exec(
        // Minutes to come were counted by a clock that ran ahead: they go first.
        `DELETE FROM denials WHERE actor = ?1 AND (minute, code, detail) IN
         (SELECT minute, code, detail FROM denials WHERE actor = ?1 ORDER BY minute > ?3 DESC, minute LIMIT ?2)`,
        actor,
        rows,
        minute,
      );
  }

  /** Whether denials were counted that no row has yet. */
  get unwritten(): boolean {
    for (const times of this.uncounted.values()) if (times > 0) return true;
    return false;
  }

  flush(): void {
    const minute = Math.floor(this.clock() / 60_000);
    for (const [kind, times] of this.uncounted) {
      const [of, actor, code, detail] = JSON.parse(kind) as [number, string, string, string];
      if (times > 0)
        this.sql.exec(
          "UPDATE denials SET times = times + ? WHERE minute = ? AND actor = ? AND code = ? AND detail = ?",
          times,
          of,
          actor,
          code,
          detail,
        );
      if (of === minute) this.uncounted.set(kind, 0);
      else this.uncounted.delete(kind);
    }
  }

  /** Newest first; null when the cursor is none of this list. */
  list(request: PageRequest & AuditFilter, sees: AuditReader = () => true): Page<AuditEntry> | null {
    this.flush();
    return auditPage(this.sql, request, sees);
  }
}
