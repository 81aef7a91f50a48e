import { isoTime, pastOrUnknown } from "../base/clock.ts";
import type { BackupFact } from "../ledger/catalogue/shapes.ts";
import type { EventDraft } from "../ledger/event.ts";
import type { Expectation } from "./expectation.ts";

/** What was announced about a backup that did not come; null while none is overdue. */
export type Overdue = { due: number; announcedAt: number; reminded: number } | null;

const REMINDER_DAYS = [1, 3, 7] as const;
const DAY_MS = 86_400_000;

/**
 * When the next backup is due, grace included. `from` is the newest backup's time, or when the expectation was stated.
 */
export const dueAt = (expect: Expectation, from: number): number =>
  from + (expect.everySeconds + expect.graceSeconds) * 1000;

/**
 * Whether it is time to announce, or to repeat, that no backup came: once when it is due, then after each of `REMINDER_DAYS`.
 * The last list decides: a server that is down makes no backups either.
 */
export function overdue(
  expect: Expectation,
  before: Overdue,
  newest: { backup: BackupFact; at: number } | null,
  statedAt: number,
  at: number,
): { after: Overdue; drafts: EventDraft[] } {
  // What was announced by a clock that ran ahead says nothing: it is announced anew when it is due.
  if (before !== null && pastOrUnknown(before.announcedAt, at) === null) {
    const anew = overdue(expect, null, newest, statedAt, at);
    return anew.drafts.length > 0 ? anew : { after: before, drafts: [] };
  }
  const due = before?.due ?? dueAt(expect, Math.max(newest?.at ?? 0, newest ? 0 : statedAt));
  if (at < due) return { after: before, drafts: [] };
  const days = before === null ? 0 : REMINDER_DAYS[before.reminded];
  if (days === undefined || (before !== null && at < before.announcedAt + days * DAY_MS))
    return { after: before, drafts: [] };
  return {
    after: before === null ? { due, announcedAt: at, reminded: 0 } : { ...before, reminded: before.reminded + 1 },
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
export function recovered(before: Overdue, backup: BackupFact, at: number): { after: Overdue; drafts: EventDraft[] } {
  if (before === null) return { after: before, drafts: [] };
  const overdueSeconds = Math.max(0, Math.round((at - before.due) / 1000));
  return {
    after: null,
    drafts: [{ type: "backup.recovered", data: { backup, overdueSeconds, actor: { kind: "relay" } } }],
  };
}
