import type { EventType } from "../../ledger/event-kinds.ts";
import type { describe } from "./describe.ts";
import { linesThatFit, type Rendering, written } from "./rendering.ts";

const BODY = 10_000;

/** Older than this a backup that has just appeared proves nothing: somebody uploaded an old one. */
const FRESH_MS = 86_400_000;

type Told = {
  type: EventType;
  timestamp: string;
  data: { test?: true; verified?: string; backup?: { madeAt?: string } };
};

/**
 * Whether an event proves that backups work: a new backup that is sound or is not to be looked into. A reachable server or
 * a restore does not, and must not turn a check green.
 */
function isSuccess({ type, timestamp, data }: Told): boolean {
  const since = data.backup?.madeAt ?? timestamp;
  const fresh = Date.parse(timestamp) - Date.parse(since) < FRESH_MS;
  if (type === "backup.created") return fresh && data.verified !== "pending";
  return type === "backup.recovered" || (type === "backup.verified" && fresh);
}

const FAILURES: readonly EventType[] = [
  "backup.ambiguous",
  "backup.failed",
  "backup.suspect",
  "backup.overdue",
  "instance.store_changed",
  "restore.failed",
  "restore.unknown",
];

/**
 * For a Healthchecks.io check (or anything with its ping addresses): success at the address, failures at `/fail`, and the
 * rest at `/log`, which does not change the state. A test event is logged, whatever its type.
 */
export function healthchecks(notice: ReturnType<typeof describe>, url: string, event: Told): Rendering {
  const address = new URL(url);
  const end = event.data.test ? "/log" : isSuccess(event) ? "" : FAILURES.includes(event.type) ? "/fail" : "/log";
  address.pathname = address.pathname.replace(/\/+$/, "") + end;
  const lines = [notice.title, ...notice.lines, notice.origin].map((line) => written(line, (text) => text));
  return { url: address.href, contentType: "text/plain; charset=utf-8", body: linesThatFit(lines, BODY) };
}
