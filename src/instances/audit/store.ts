import { type Clock, isoTime } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import { plainBytes } from "../../base/text.ts";
import { actorText } from "../actor.ts";
import type { Actor, Caller } from "../caller.ts";
import type { AuditEntry } from "./view.ts";

export type AuditFilter = { verdict: "allowed" | "denied" | null; action: string | null; actor: string | null };

/** Rows kept of each ring; the oldest go first, and denials never push admitted rows out. */
const ADMITTED_ROWS = 20_000;
const DENIED_ROWS = 2_000;
/** Bytes of whatever somebody else chose. */
const TEXT_LIMIT = 256;

const plain = (text: string): string => plainBytes(text, TEXT_LIMIT);
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

  /** Writes the intent and gives the row's number, by which its outcome is added. */
  admit(actor: Actor, action: string, target: string, caller: Caller, detail: string | null = null): number {
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
    if (id % 500 === 0) this.sql.exec("DELETE FROM audit WHERE id <= ?", id - ADMITTED_ROWS);
    return id;
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

  /** The first denial of its kind in a minute is written at once, the others with the next `flush`. */
  deny(actor: string, code: string, detail: string, action: string, caller: Caller): void {
    const minute = Math.floor(this.clock() / 60_000);
    const kind = JSON.stringify([minute, actor, code, detail]);
    const uncounted = this.uncounted.get(kind);
    if (uncounted !== undefined) {
      this.uncounted.set(kind, uncounted + 1);
      return;
    }
    this.sql.exec(
      `INSERT INTO denials (minute, actor, code, detail, action, times, address, user_agent, request_id) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)
       ON CONFLICT (minute, actor, code, detail) DO UPDATE SET times = times + 1`,
      minute,
      actor,
      code,
      detail,
      action,
      plainOrNull(caller.address),
      plain(caller.userAgent),
      caller.requestId,
    );
    if (this.uncounted.size >= DENIED_ROWS) this.flush();
    this.uncounted.set(kind, 0);
    const rows = Number(this.sql.exec("SELECT count(*) AS rows FROM denials").one().rows);
    if (rows > DENIED_ROWS)
      this.sql.exec(
        "DELETE FROM denials WHERE (minute, actor, code, detail) IN (SELECT minute, actor, code, detail FROM denials ORDER BY minute LIMIT ?)",
        rows - DENIED_ROWS,
      );
  }

  /** Denials are counted that no row has yet. */
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

  /** Newest first. The cursor is the time and number of the last row given out; null: it is none of ours. */
  list(request: PageRequest & AuditFilter): Page<AuditEntry> | null {
    if (request.cursor !== null && !CURSOR.test(request.cursor)) return null;
    this.flush();
    const [beforeAt, beforeId] = request.cursor ? request.cursor.split(".").map(Number) : [Number.MAX_SAFE_INTEGER, 0];
    const wanted = request.limit + 1;
    const rows: Row[] = [];
    if (request.verdict !== "denied")
      rows.push(
        ...this.sql
          .exec<Row>(
            `SELECT id, at, actor, action, target, 'allowed' AS verdict, code, detail, 1 AS times, address, user_agent, request_id FROM audit
             WHERE (at < ?1 OR (at = ?1 AND id < ?2)) AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR actor = ?4)
             ORDER BY at DESC, id DESC LIMIT ?5`,
            beforeAt!,
            beforeId!,
            request.action,
            request.actor,
            wanted,
          )
          .toArray(),
      );
    if (request.verdict !== "allowed")
      rows.push(
        ...this.sql
          .exec<Row>(
            `SELECT 0 AS id, minute * 60000 AS at, actor, action, '' AS target, 'denied' AS verdict, code, detail, times, address, user_agent, request_id FROM denials
             WHERE (minute * 60000 < ?1 OR (minute * 60000 = ?1 AND ?2 > 0)) AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR actor = ?4)
             ORDER BY minute DESC, actor, code, detail`,
            beforeAt!,
            beforeId!,
            request.action,
            request.actor,
          )
          .toArray(),
      );
    rows.sort((one, other) => other.at - one.at || other.id - one.id);
    const shown = wholeMinutes(rows, request.limit);
    const last = shown.at(-1);
    return {
      items: shown.map(entry),
      nextCursor: last && rows.length > shown.length ? `${last.at}.${last.id}` : null,
    };
  }
}

const CURSOR = /^\d{1,16}\.\d{1,16}$/;

type Row = {
  id: number;
  at: number;
  actor: string;
  action: string;
  target: string;
  verdict: string;
  code: string | null;
  detail: string | null;
  times: number;
  address: string | null;
  user_agent: string;
  request_id: string;
};

/** Denials of one minute share their time, so a page is stretched to the end of such a group and never splits it. */
function wholeMinutes(rows: Row[], limit: number): Row[] {
  let end = Math.min(limit, rows.length);
  while (end < rows.length && rows[end - 1]!.id === 0 && rows[end]!.id === 0 && rows[end]!.at === rows[end - 1]!.at)
    end++;
  return rows.slice(0, end);
}

const entry = (row: Row): AuditEntry => ({
  id: row.id === 0 ? `denied_${row.at}_${row.actor}_${row.code}_${row.detail}` : `aud_${row.id}`,
  at: isoTime(row.at),
  actor: row.actor,
  action: row.action,
  target: row.target,
  verdict: row.verdict as "allowed" | "denied",
  code: row.code,
  detail: row.detail,
  times: row.times,
  address: row.address,
  userAgent: row.user_agent,
  requestId: row.request_id,
});
