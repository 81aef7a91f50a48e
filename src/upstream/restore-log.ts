import { readServerTime, serverTimeText } from "../base/server-time.ts";
import { itemsOf } from "./page-items.ts";
import type { RestoreFailure } from "./restore-evidence.ts";
import { causeIn } from "./server-cause.ts";

/** The query that finds them. `created` is compared as text in PocketBase's own form. */
export function restoreLogQuery(since: number): string {
  const filter = `message="Failed to restore backup" && created>="${serverTimeText(since)}"`;
  return new URLSearchParams({ filter, sort: "-created", perPage: "50" }).toString();
}

/** Rows of `GET /api/logs`. Null when it is not a log page. */
export function restoreFailuresOf(json: unknown): RestoreFailure[] | null {
  const failures = itemsOf(json)?.flatMap((item): RestoreFailure[] => {
    const at = readServerTime(String(item?.created));
    const error = String(item?.data?.error ?? "");
    if (typeof item?.data?.key !== "string" || at === null) return [];
    return [{ key: item.data.key, at, cause: causeIn(error) }];
  });
  return failures ?? null;
}
