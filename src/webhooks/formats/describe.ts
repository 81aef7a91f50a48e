import type { LedgerEvent } from "../../ledger/event.ts";
import type { EventType } from "../../ledger/event-kinds.ts";
import { backupNotices } from "./backup-notices.ts";
import { type Line, line, type Notice, when } from "./notice.ts";
import { relayNotices } from "./relay-notices.ts";
import { restoreNotices } from "./restore-notices.ts";

const notices = { ...backupNotices, ...restoreNotices, ...relayNotices } as unknown as Record<
  EventType,
  (data: LedgerEvent["data"]) => Notice
>;

/** The message for an event. A test says so first. `origin`, the last line, has the server, the time and the event. */
export function describe(event: LedgerEvent): Notice & { origin: Line } {
  const notice = notices[event.type](event.data);
  return {
    ...notice,
    title: event.data.test ? [...line`Test: `, ...notice.title] : notice.title,
    origin: line`${event.instance} · ${when(event.timestamp)} · ${event.type}${event.seq > 0 ? ` #${event.seq}` : ""}`,
  };
}
