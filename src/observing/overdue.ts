import { isoTime } from "../base/clock.ts";
import type { BackupFact } from "../ledger/catalogue/shapes.ts";
import type { EventDraft } from "../ledger/event.ts";

/** How often backups are expected, and how late one may be. */
export type Expectation = { everySeconds: number; graceSeconds: number };

/** What was said about a backup that did not come; null while none is overdue. */
export type Overdue = { due: number; saidAt: number; reminded: number } | null;

export const REMINDER_DAYS = [1, 3, 7] as const;
const DAY_MS = 86_400_000;

/** When the next backup is due, grace included. `from` is the newest backup's time, or when the expectation was stated. */
export const dueAt = (expect: Expectation, from: number): number =>
  from + (expect.everySeconds + expect.graceSeconds) * 1000;

/**
 * Whether it is time to say, or to say again, that no backup came. Said once when it is due, then after 1, 3 and 7 days.
 * It judges by what was listed last: a server that is down makes no backups either.
 */
export function overdue(
  expect: Expectation,
  said: Overdue,
  newest: { backup: BackupFact; at: number } | null,
  statedAt: number,
  at: number,
): { said: Overdue; drafts: EventDraft[] } {
  const due = said?.due ?? dueAt(expect, Math.max(newest?.at ?? 0, newest ? 0 : statedAt));
  if (at < due) return { said, drafts: [] };
  const days = said === null ? 0 : REMINDER_DAYS[said.reminded];
  if (days === undefined || (said !== null && at < said.saidAt + days * DAY_MS)) return { said, drafts: [] };
  return {
    said: said === null ? { due, saidAt: at, reminded: 0 } : { ...said, reminded: said.reminded + 1 },
    drafts: [
      {
        type: "backup.overdue",
        data: {
          expect,
          due: isoTime(due),
          newest: newest?.backup ?? null,
          newestAgeSeconds: newest && Math.max(0, Math.round((at - newest.at) / 1000)),
          reminderDays: days,
          actor: { kind: "relay" },
        },
      },
    ],
  };
}

/** A new backup ends it. */
export function recovered(said: Overdue, backup: BackupFact, at: number): { said: Overdue; drafts: EventDraft[] } {
  if (said === null) return { said, drafts: [] };
  const overdueSeconds = Math.max(0, Math.round((at - said.due) / 1000));
  return {
    said: null,
    drafts: [{ type: "backup.recovered", data: { backup, overdueSeconds, actor: { kind: "relay" } } }],
  };
}
