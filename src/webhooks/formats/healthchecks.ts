import type { EventType } from "../../ledger/event-kinds.ts";
import type { describe } from "./describe.ts";
import { linesThatFit, type Rendering, written } from "./rendering.ts";

const BODY = 10_000;

/** Events that prove that backups work. A reachable server or a restore does not, and must not turn a check green. */
const SUCCESSES: readonly EventType[] = ["backup.created", "backup.recovered"];
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
export function healthchecks(
  notice: ReturnType<typeof describe>,
  url: string,
  event: { type: EventType; data: { test?: true } },
): Rendering {
  const address = new URL(url);
  const end = event.data.test
    ? "/log"
    : SUCCESSES.includes(event.type)
      ? ""
      : FAILURES.includes(event.type)
        ? "/fail"
        : "/log";
  address.pathname = address.pathname.replace(/\/+$/, "") + end;
  const lines = [notice.title, ...notice.lines, notice.origin].map((line) => written(line, (text) => text));
  return { url: address.href, contentType: "text/plain; charset=utf-8", body: linesThatFit(lines, BODY) };
}
