import { readServerTime } from "../base/server-time.ts";
import type { RestoreFailure } from "./restore-evidence.ts";
import { causeIn } from "./server-cause.ts";

/** The query that finds them. `created` is compared as text in PocketBase's own form: a space, no `T`. */
export function restoreLogQuery(since: number): string {
  const from = new Date(since).toISOString().replace("T", " ");
  const filter = `message="Failed to restore backup" && created>="${from}"`;
  return new URLSearchParams({ filter, sort: "-created", perPage: "50" }).toString();
}

/** Rows of `GET /api/logs`. Null when it is not a log page. */
export function restoreFailuresOf(json: unknown): RestoreFailure[] | null {
  const items = (json as { items?: unknown } | null | undefined)?.items;
  if (!Array.isArray(items)) return null;
  return items.flatMap((item): RestoreFailure[] => {
    const at = readServerTime(String(item?.created));
    const error = String(item?.data?.error ?? "");
    if (typeof item?.data?.key !== "string" || at === null) return [];
    return [{ key: item.data.key, at, cause: causeIn(error) }];
  });
}
