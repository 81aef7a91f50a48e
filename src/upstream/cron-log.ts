import { readServerTime, serverTimeText } from "../base/server-time.ts";
import type { UpstreamResult } from "./backups-api.ts";
import { itemsOf } from "./page-items.ts";
import { type Cause, causeIn } from "./server-cause.ts";

/** A backup that the server's own cron failed to make. */
type CronFailure = { name: string /** ms since the epoch, the server's clock. */; at: number; cause: Cause };

/** Backups that failed on the server, which only its log shows. */
export interface CronLog {
  /**
   * Failures logged after `since` (ms, the server's clock), oldest first, at most 50. Rows show up about 3 s late, later
   * on a busy server, never when logging is off.
   */
  cronFailures(since: number, signal?: AbortSignal): Promise<UpstreamResult<CronFailure[]>>;
  /** Why the newest create that was answered 400 since then failed; null when the log says nothing. */
  createFailure(since: number, signal?: AbortSignal): Promise<UpstreamResult<Cause | null>>;
}

/** The query that finds them. `created` is compared as text in PocketBase's own form. */
export function cronLogQuery(since: number): string {
  const filter = `message="[Backup cron] Failed to create backup" && created>"${serverTimeText(since)}"`;
  return new URLSearchParams({ filter, sort: "created", perPage: "50" }).toString();
}

/**
 * The query for creates that failed; the answer is one page, newest first. By the level of errors, not by their status:
 * BosBase takes no filter on `data.status`. Refusals of others are errors, too: `createFailureOf` leaves them out.
 */
export function createLogQuery(since: number): string {
  const filter = `data.url="/api/backups" && data.method="POST" && level=8 && created>="${serverTimeText(since)}"`;
  return new URLSearchParams({ filter, sort: "-created", perPage: "50" }).toString();
}

/** `undefined` when it is not a log page. */
export function createFailureOf(json: unknown): Cause | null | undefined {
  const items = itemsOf(json);
  if (items === null) return undefined;
  const failed = items.find((item) => Number(item?.data?.status) === 400);
  return failed ? causeIn(String(failed.data?.details ?? "")) : null;
}

/** Rows of `GET /api/logs`; null when it is not a log page. */
export function cronFailuresOf(json: unknown): CronFailure[] | null {
  const failures = itemsOf(json)?.flatMap((item): CronFailure[] => {
    const at = readServerTime(String(item?.created));
    if (at === null) return [];
    return [{ name: String(item?.data?.name ?? ""), at, cause: causeIn(String(item?.data?.error ?? "")) }];
  });
  return failures ?? null;
}
