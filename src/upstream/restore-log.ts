import { readServerTime } from "../base/server-time.ts";
import type { RestoreFailure, RestoreFailureReason } from "./restore-evidence.ts";

/** Texts of PocketBase's `Failed to restore backup` rows, as seen on running servers. */
const reasons: readonly (readonly [text: RegExp, reason: RestoreFailureReason])[] = [
  [/data\.db file is missing/, "database_missing"],
  [/not a valid zip file/, "not_an_archive"],
  [/checksum error|corrupt input|unexpected EOF/, "damaged"],
  [/invalid file path/, "unsafe_path"],
  [/try again later/i, "busy"],
  [/deadline exceeded/, "timed_out"],
];

/** The query that finds them. `created` is compared as text in PocketBase's own form: a space, no `T`. */
export function restoreLogQuery(since: number): string {
  const from = new Date(since).toISOString().replace("T", " ");
  const filter = `message="Failed to restore backup" && created>="${from}"`;
  return new URLSearchParams({ filter, sort: "-created", perPage: "50" }).toString();
}

/** Rows of `GET /api/logs`, with the raw error left behind: it holds server paths. Null when it is not a log page. */
export function restoreFailuresOf(json: unknown): RestoreFailure[] | null {
  const items = (json as { items?: unknown } | null | undefined)?.items;
  if (!Array.isArray(items)) return null;
  return items.flatMap((item): RestoreFailure[] => {
    const at = readServerTime(String(item?.created));
    const error = String(item?.data?.error ?? "");
    if (typeof item?.data?.key !== "string" || at === null) return [];
    return [{ key: item.data.key, at, reason: reasons.find(([text]) => text.test(error))?.[1] ?? "unknown" }];
  });
}
