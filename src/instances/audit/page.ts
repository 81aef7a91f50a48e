import { isoTime } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import type { AuditReader } from "./reader.ts";
import type { AuditEntry } from "./view.ts";

export type AuditFilter = { verdict: "allowed" | "denied" | null; action: string | null; actor: string | null };

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

/** Newest first. The cursor is the time and number of the last row given out; null when it is none of this list. */
export function auditPage(
  sql: SqlStorage,
  request: PageRequest & AuditFilter,
  sees: AuditReader,
): Page<AuditEntry> | null {
  if (request.cursor !== null && !CURSOR.test(request.cursor)) return null;
  const [beforeAt, beforeId] = request.cursor ? request.cursor.split(".").map(Number) : [Number.MAX_SAFE_INTEGER, 0];
  const wanted = request.limit + 1;
  const rows: Row[] = [];
  if (request.verdict !== "denied")
    rows.push(
      ...first(
        wanted,
        sees,
        sql.exec<Row>(
          `SELECT id, at, actor, action, target, 'allowed' AS verdict, code, detail, 1 AS times, address, user_agent, request_id FROM audit
             WHERE (at < ?1 OR (at = ?1 AND id < ?2)) AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR actor = ?4)
             ORDER BY at DESC, id DESC`,
          beforeAt!,
          beforeId!,
          request.action,
          request.actor,
        ),
      ),
    );
  if (request.verdict !== "allowed")
    rows.push(
      ...sql
        .exec<Row>(
          `SELECT 0 AS id, minute * 60000 AS at, actor, action, target, 'denied' AS verdict, code, detail, times, address, user_agent, request_id FROM denials
             WHERE (minute * 60000 < ?1 OR (minute * 60000 = ?1 AND ?2 > 0)) AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR actor = ?4)
             ORDER BY minute DESC, actor, code, detail`,
          beforeAt!,
          beforeId!,
          request.action,
          request.actor,
        )
        .toArray()
        .filter(sees),
    );
  rows.sort((one, other) => other.at - one.at || other.id - one.id);
  const shown = wholeMinutes(rows, request.limit);
  const last = shown.at(-1);
  return {
    items: shown.map(entry),
    nextCursor: last && rows.length > shown.length ? `${last.at}.${last.id}` : null,
  };
}

/** Reads rows until so many were seen that may be. */
function first(wanted: number, sees: AuditReader, rows: Iterable<Row>): Row[] {
  const seen: Row[] = [];
  for (const row of rows) {
    if (sees(row)) seen.push(row);
    if (seen.length === wanted) break;
  }
  return seen;
}

/** Denials of one minute have the same time. The cursor cannot point between them, so a page takes all of them. */
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
