import { isoTime } from "../base/clock.ts";
import type { Page } from "../base/page.ts";
import type { AttemptResult } from "./attempt.ts";
import type { AttemptView } from "./attempt-view.ts";
import type { Deliveries } from "./deliveries.ts";

/** Rows that are kept. Older ones are removed after every hundred new ones. */
const KEPT_ATTEMPTS = 1_000;

type Row = {
  at: number;
  seq: number;
  event: string;
  type: string;
  attempt: number;
  ms: number;
  status: number | null;
  kind: string | null;
  message: string | null;
  snippet: string | null;
  test: number;
};

/** Attempts that failed, and tests. A success needs no row here: its delivery's row has its time and latency. */
export class AttemptLog {
  /** When the last attempt failed, ms; tests do not count. */
  lastFailure: number | null;
  private readonly sql: SqlStorage;
  private readonly deliveries: Deliveries;
  /** The number of the newest row. */
  private newest: number;

  constructor(sql: SqlStorage, deliveries: Deliveries) {
    this.sql = sql;
    this.deliveries = deliveries;
    const found = sql
      .exec<{ n: number | null; at: number | null }>(
        "SELECT (SELECT max(n) FROM attempts) AS n, (SELECT max(at) FROM attempts WHERE test = 0) AS at",
      )
      .one();
    this.newest = found.n ?? 0;
    this.lastFailure = found.at;
  }

  add(
    delivery: { seq: number; event: string; type: string; attempts: number },
    result: AttemptResult,
    at: number,
    test: boolean,
  ): void {
    const n = ++this.newest;
    if (!test) this.lastFailure = at;
    this.sql.exec(
      "INSERT INTO attempts (n, at, seq, event, type, attempt, ms, status, kind, message, snippet, test) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      n,
      at,
      delivery.seq,
      delivery.event,
      delivery.type,
      delivery.attempts,
      result.ms,
      result.status,
      result.reason?.kind ?? null,
      result.reason?.message ?? null,
      result.snippet,
      test ? 1 : 0,
    );
    if (n % 100 === 0) this.sql.exec("DELETE FROM attempts WHERE n <= ?", n - KEPT_ATTEMPTS);
  }

  /**
   * Newest first, successes included. Many end in the same millisecond, so the cursor is a time and the number of attempts
   * of that time that were listed already.
   */
  list(limit: number, cursor: string | null): Page<AttemptView> {
    const [at = Number.MAX_SAFE_INTEGER, given = 0] = /^\d+\.\d+$/.test(cursor ?? "")
      ? cursor!.split(".").map(Number)
      : [];
    const most = limit + given + 1;
    const failed = this.sql
      .exec<Row>("SELECT * FROM attempts WHERE at <= ? ORDER BY at DESC, n DESC LIMIT ?", at, most)
      .toArray();
    const delivered = this.deliveries.finished.delivered(most, at).map(
      ({ at, seq, event, type, attempts, ms, status }): Row => ({
        at,
        seq,
        event,
        type,
        attempt: attempts,
        ms: ms ?? 0,
        status,
        kind: null,
        message: null,
        snippet: null,
        test: 0,
      }),
    );
    const all = [...failed, ...delivered].sort((a, b) => b.at - a.at).slice(given);
    const shown = all.slice(0, limit);
    const last = shown.at(-1);
    if (!last || all.length <= limit) return { items: shown.map(view), nextCursor: null };
    const same = shown.filter((row) => row.at === last.at).length + (last.at === at ? given : 0);
    return { items: shown.map(view), nextCursor: `${last.at}.${same}` };
  }
}

const view = ({ kind, message, test, ...row }: Row): AttemptView => ({
  event: row.event,
  type: row.type,
  seq: test ? null : row.seq,
  at: isoTime(row.at),
  attempt: row.attempt,
  outcome: kind === null ? "delivered" : "failed",
  status: row.status,
  latencyMs: row.ms,
  reason: kind === null ? null : { kind, message: message ?? "" },
  snippet: row.snippet,
  test: test === 1,
});
