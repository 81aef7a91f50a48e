import type { Catalogue } from "./catalogue.ts";

/** Restores: the checks before, and the outcome after. */
export const restoresProblems = {
  archive_unreadable: {
    status: 502,
    message: "The backup could not be read from the server.",
    hint: "It changed or the connection broke while it was read; try again.",
  },
  preflight_refused: {
    status: 400,
    message: "Missing or invalid backup file.",
    hint: "Ask for a dry run of the restore: its checks say what is wrong with the backup.",
  },
  restore_files_only: {
    status: 400,
    message:
      "The server is BosBase, whose backups hold local files only. A restore would put the archive's files in place of all its local files, delete the others and leave PostgreSQL as it is, so that records point at files that are gone.",
    hint: "To get files back, download and unpack the backup and copy what is missing from its storage folder into storage in the server's data folder. Data comes back from PostgreSQL's own backup (pg_dump).",
  },
  safety_backup_failed: {
    status: 400,
    message: "The safety backup could not be made, so nothing was restored.",
    hint: "The operation's steps tell why. safetyBackup: false needs the scope backups:restore-unsafe.",
  },
  restore_failed: {
    status: 400,
    message: "The restore failed; the server kept its data.",
    hint: "The message tells the server's reason where its log had one.",
  },
  restore_contended: {
    status: 409,
    message: "Another restore is under way on the server.",
    hint: "Another relay, or another instance of this one, is restoring the same server. Nothing was sent: ask again when that has ended, and keep to one relay and one instance for a server.",
  },
  restore_unknown: {
    status: 504,
    message: "It could not be settled whether the restore happened.",
    hint: "The result's steps say how to find out and how to put the old data back.",
  },
  undo_unavailable: {
    status: 409,
    message: "The restore cannot be undone.",
    hint: "Restore the safety backup by hand if it is still there.",
  },
} as const satisfies Catalogue;
