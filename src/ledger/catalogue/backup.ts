import * as z from "zod";
import { archive, backup, count, expect, fault, kind, operation, sample, stats, time } from "./shapes.ts";

const op = operation.optional();

const verified = z
  .enum(["pending", "no"])
  .optional()
  .describe(
    "pending: it is looked into next, and verified or suspect follows; no: this instance's are not looked into.",
  );

/** What happens to backups, and what did not happen in time. */
export const backupKinds = {
  "backup.created": kind(
    "A backup appeared in the server's list.",
    { backup, operation: op, stats: stats.optional(), verified },
    {
      backup: sample.backup,
      actor: sample.key,
      operation: sample.operation,
      stats: {
        count: 14,
        totalSize: 660_341_120,
        medianSize: 47_185_920,
        sizeRatio: 1.02,
        previousAgeSeconds: 86_400,
      },
    },
  ),
  "backup.changed": kind(
    "A listed backup has another size or time than before: the file was replaced.",
    { backup, previous: backup, operation: op, stats: stats.optional(), verified },
    {
      backup: sample.backup,
      previous: { key: sample.backup.key, size: 47_185_920, modified: "2026-11-21T03:00:03.900Z" },
      actor: sample.upstream,
    },
  ),
  "backup.deleted": kind(
    "A backup is no longer in the server's list. `backup` is how it was listed last.",
    {
      backup,
      reason: z
        .enum(["request", "pruned_upstream", "unknown"])
        .describe("Asked for through the relay; pruned by the server's own cron; not known."),
      operation: op,
      stats: stats.optional(),
    },
    { backup: sample.backup, reason: "request", actor: sample.key, operation: sample.operation },
  ),
  "backup.ambiguous": kind(
    "The server lists more than one backup of a name: until one is removed or renamed there, none of them is downloaded, restored or deleted.",
    { backup, others: z.array(backup).min(1).describe("The further entries of the same key.") },
    {
      backup: sample.backup,
      others: [{ key: sample.backup.key, size: 9_120, modified: "2026-11-22T05:12:40.002Z" }],
      actor: sample.upstream,
    },
  ),
  "backup.failed": kind(
    "A backup was to be made and was not.",
    {
      name: z.string().nullable().describe("The name it was to have; null when the server would have chosen one."),
      cause: z.enum(["request", "cron"]).describe("Asked for through the relay, or the server's own schedule."),
      error: fault,
      operation: op,
    },
    {
      name: "@auto_pb_backup_acme_20261122030000.zip",
      cause: "cron",
      error: { code: "backup_failed", message: "The server's log says: no space left on device." },
      actor: sample.upstream,
    },
  ),
  "backup.verified": kind(
    "A new backup was looked into and is what a backup should be.",
    {
      backup,
      level: z
        .enum(["L1", "L2"])
        .optional()
        .describe("L1: the archive's structure; L2: the header and size of its database as well. BosBase's has none."),
      archive,
    },
    { backup: sample.backup, level: "L2", archive: sample.archive, actor: sample.relay },
  ),
  "backup.suspect": kind(
    "A new backup was looked into and may be worthless. Do not delete older ones.",
    { backup, archive: archive.nullable(), reasons: z.array(fault).min(1) },
    {
      backup: sample.backup,
      archive: { ...sample.archive, database: null },
      reasons: [{ code: "no_database", message: "The archive holds no data.db." }],
      actor: sample.relay,
    },
  ),
  "backup.overdue": kind(
    "No new backup appeared in the time the instance is expected to make one. Repeated after 1, 3 and 7 days.",
    {
      expect,
      due: time.describe("When it was due, grace included."),
      newest: backup.nullable(),
      newestAgeSeconds: count.nullable(),
      reminderDays: count.describe("0: said for the first time; else how many days ago that was."),
    },
    {
      expect: { everySeconds: 86_400, graceSeconds: 3_600 },
      due: "2026-11-22T04:00:03.900Z",
      newest: {
        key: "acme_nightly_20261121.zip",
        size: 47_185_920,
        modified: "2026-11-21T03:00:03.900Z",
        madeAt: "2026-11-21T03:00:03.900Z",
      },
      newestAgeSeconds: 111_596,
      reminderDays: 0,
      actor: sample.relay,
    },
  ),
  "backup.recovered": kind(
    "A new backup appeared after one had been overdue.",
    { backup, overdueSeconds: count.describe("How long after it was due.") },
    { backup: sample.backup, overdueSeconds: 7_215, actor: sample.relay },
  ),
};
