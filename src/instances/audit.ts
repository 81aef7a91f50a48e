import { type Clock, isoTime } from "../base/clock.ts";
import { plainText } from "../base/text.ts";
import type { Actor, Caller, Page, PageRequest } from "./commands.ts";

/** One row as `GET /v1/audit` shows it. A denial row stands for `times` denials of one kind in one minute. */
export type AuditEntry = {
  id: string;
  at: string;
  actor: string;
  action: string;
  target: string;
  verdict: "allowed" | "denied";
  code: string | null;
  detail: string | null;
  times: number;
  address: string | null;
  userAgent: string;
  requestId: string;
};

export type AuditFilter = { verdict: "allowed" | "denied" | null; action: string | null; actor: string | null };

/** Rows kept of each ring; the oldest go first, and denials never push admitted rows out. */
const ADMITTED_ROWS = 20_000;
const DENIED_ROWS = 2_000;
const TEXT_LIMIT = 256;

export const actorText = (actor: Actor): string => (actor.id ? `${actor.kind}:${actor.id}` : actor.kind);

/** Who did or tried what. Admitted commands have a row each, written before they run; denials are counted per minute. */
export class Audit {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;

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
        plainText(target, TEXT_LIMIT),
        detail,
        caller.address,
        plainText(caller.userAgent, TEXT_LIMIT),
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
      detail === null ? null : plainText(detail, TEXT_LIMIT),
      row,
    );
  }

  deny(actor: string, code: string, action: string, caller: Caller): void {
    const minute = Math.floor(this.clock() / 60_000);
    this.sql.exec(
      `INSERT INTO denials (actor, code, minute, action, times, address, user_agent, request_id) VALUES (?, ?, ?, ?, 1, ?, ?, ?)
       ON CONFLICT (minute, actor, code) DO UPDATE SET times = times + 1`,
      plainText(actor, TEXT_LIMIT),
      code,
      minute,
      action,
      caller.address,
      plainText(caller.userAgent, TEXT_LIMIT),
      caller.requestId,
    );
    const rows = Number(this.sql.exec("SELECT count(*) AS rows FROM denials").one().rows);
    if (rows > DENIED_ROWS)
      this.sql.exec(
        "DELETE FROM denials WHERE (minute, actor, code) IN (SELECT minute, actor, code FROM denials ORDER BY minute LIMIT ?)",
        rows - DENIED_ROWS,
      );
  }

  /** Newest first. The cursor is the time and number of the last row given out. */
  list(request: PageRequest & AuditFilter): Page<AuditEntry> {
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
            `SELECT 0 AS id, minute * 60000 AS at, actor, action, '' AS target, 'denied' AS verdict, code, NULL AS detail, times, address, user_agent, request_id FROM denials
             WHERE minute * 60000 < ?1 AND (?2 IS NULL OR action = ?2) AND (?3 IS NULL OR actor = ?3)
             ORDER BY minute DESC, actor, code LIMIT 500`,
            beforeAt!,
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
  id: row.id === 0 ? `denied_${row.at}_${row.actor}_${row.code}` : `aud_${row.id}`,
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
