import { durationInWords, sizeInWords } from "../../base/words.ts";
import type { Stats } from "../../ledger/catalogue/shapes.ts";
import type { EventData, EventType } from "../../ledger/event-kinds.ts";
import { byWhom, foreign, type Line, line, message, type Notice, sizeAndTime, when } from "./notice.ts";

type BackupType = Extract<EventType, `backup.${string}`>;

/** Within a tenth a size is as usual. */
const USUAL = 0.1;

function compared({ sizeRatio }: Stats): Line[] {
  if (sizeRatio === null) return [];
  const percent = Math.round(Math.abs(sizeRatio - 1) * 100);
  if (sizeRatio < 1 - USUAL) return [line`${`${percent} %`} smaller than usual.`];
  if (sizeRatio >= 2) return [line`${`${sizeRatio.toFixed(1)} times`} as large as usual.`];
  return sizeRatio > 1 + USUAL ? [line`${`${percent} %`} larger than usual.`] : [];
}

const store = ({ count, totalSize, previousAgeSeconds }: Stats): Line[] => [
  ...(previousAgeSeconds === null ? [] : [line`${durationInWords(previousAgeSeconds)} after the one before.`]),
  line`${String(count)} backup${count === 1 ? "" : "s"}, ${sizeInWords(totalSize)} in all.`,
];

/** `every day`, not `every 1 day`. */
const each = (seconds: number) => durationInWords(seconds).replace(/^1 (\w+)$/, "$1");

export const backupNotices: { [T in BackupType]: (data: EventData<T>) => Notice } = {
  "backup.created": ({ backup, stats, actor }) => ({
    level: "success",
    title: line`Backup made: ${foreign(backup.key)}`,
    lines: [sizeAndTime(backup), ...(stats ? [...compared(stats), ...store(stats)] : []), ...byWhom(actor)],
  }),
  "backup.changed": ({ backup, previous, actor }) => ({
    level: "warning",
    title: line`Backup replaced: ${foreign(backup.key)}`,
    lines: [["Now ", ...sizeAndTime(backup)], ["Before ", ...sizeAndTime(previous)], ...byWhom(actor)],
  }),
  "backup.deleted": ({ backup, reason, stats, actor }) => ({
    level: reason === "unknown" ? "warning" : "info",
    title: line`Backup deleted: ${foreign(backup.key)}`,
    lines: [
      ["It had ", ...sizeAndTime(backup)],
      ...(stats ? [line`${String(stats.count)} left, ${sizeInWords(stats.totalSize)} in all.`] : []),
      ...(reason === "pruned_upstream" ? [line`Pruned by the server's own schedule.`] : byWhom(actor)),
    ],
  }),
  "backup.ambiguous": ({ backup, others }) => ({
    level: "failure",
    title: line`${others.length === 1 ? "Two" : "Several"} backups of one name: ${foreign(backup.key)}`,
    lines: [
      ...[backup, ...others].map(sizeAndTime),
      line`None of them is downloaded, restored or deleted until one is removed or renamed on the server.`,
    ],
  }),
  "backup.failed": ({ name, cause, error, actor }) => ({
    level: "failure",
    title: name === null ? line`Backup failed` : line`Backup failed: ${foreign(name)}`,
    lines: [
      [message(error.message)],
      ...(cause === "cron" ? [line`It was the server's own scheduled backup.`] : byWhom(actor)),
      ...(error.hint ? [[message(error.hint)]] : []),
    ],
  }),
  "backup.verified": ({ backup, archive }) => ({
    level: "success",
    title: line`Backup checked: ${foreign(backup.key)}`,
    lines: [
      line`${String(archive.entries)} files, ${sizeInWords(archive.uncompressed)} unpacked.`,
      archive.database === null
        ? line`Files only: the data in PostgreSQL needs a backup of its own.`
        : line`The database has ${sizeInWords(archive.database.bytes)}.`,
    ],
  }),
  "backup.suspect": ({ backup, reasons }) => ({
    level: "failure",
    title: line`Backup may be worthless: ${foreign(backup.key)}`,
    lines: [
      ...reasons.map((reason): Line => [message(reason.message)]),
      line`Do not delete older backups.`,
      sizeAndTime(backup),
    ],
  }),
  "backup.overdue": ({ expect, due, newest, newestAgeSeconds, reminderDays }) => ({
    level: "failure",
    title:
      newestAgeSeconds === null
        ? line`Backup overdue`
        : line`Backup overdue: none for ${durationInWords(newestAgeSeconds)}`,
    lines: [
      ...(reminderDays > 0 ? [line`Overdue for ${durationInWords(reminderDays * 86_400)} by now.`] : []),
      line`One is expected every ${each(expect.everySeconds)}, at the latest ${durationInWords(expect.graceSeconds)} later; it was due ${when(due)}.`,
      newest === null ? line`There is none to be seen at all.` : line`The newest is ${foreign(newest.key)}.`,
    ],
  }),
  "backup.recovered": ({ backup, overdueSeconds }) => ({
    level: "recovery",
    title: line`Recovered: there is a new backup, ${foreign(backup.key)}`,
    lines: [line`It came ${durationInWords(overdueSeconds)} late.`, sizeAndTime(backup)],
  }),
};
