import type { Catalogue } from "./catalogue.ts";

/** Backups by name: what the server refuses, in PocketBase's words, and what its list decided. */
export const backupsProblems = {
  backup_name_refused: {
    status: 400,
    message: "Something went wrong while processing your request.",
    hint: "No backup can have this name: ., .., *.attrs, invalid UTF-8 and more than 1024 bytes are refused.",
  },
  backup_ambiguous: {
    status: 409,
    message: "The server lists more than one backup of that name.",
    hint: "Only one of them can be reached by the name, and not surely the right one: remove or rename one on the server.",
  },
  backup_not_found: {
    status: 404,
    message: "The requested resource wasn't found.",
    hint: "List the backups: there is none of that name that the key may see.",
  },
  backup_overdue: {
    status: 503,
    message: "The newest backup is older than it may be.",
    hint: "Look at the server: its schedule may have stopped. data.backup names the newest one.",
  },
  backup_suspect: {
    status: 503,
    message: "The newest backup may be worthless.",
    hint: "Look into it before older ones are deleted: its reason stands in GET /v1/backups. data.backup names it.",
  },
  backup_name_exists: {
    status: 400,
    message: "An error occurred while validating the submitted data.",
    hint: "Choose another name, or delete that backup first.",
  },
  backup_conflict: {
    status: 409,
    message: "A backup of that name exists.",
    hint: "Choose another name, or delete that one first.",
  },
  backup_missing: {
    status: 400,
    message: "Missing or invalid backup file.",
    hint: "List the backups; the server says the same when its S3 storage cannot be reached.",
  },
  backup_deleted: {
    status: 400,
    message: "Invalid or already deleted backup file.",
    hint: "List the backups: it is gone, somebody else is only making it, or the server could not remove it.",
  },
  backup_in_use: {
    status: 400,
    message: "The backup is currently being used and cannot be deleted.",
    hint: "It is being made or restored; try again when GET /api/health says canBackup.",
  },
  create_failed: {
    status: 400,
    message: "Failed to create backup.",
    hint: "The cause stands in the server's log: a full disk, S3, or a hook, and after a hook's error the file may exist.",
  },
  create_vanished: {
    status: 400,
    message: "Failed to create backup.",
    hint: "The server reported success, but the backup is not in its list: a hook may have suppressed or renamed it.",
  },
  create_lost: {
    status: 400,
    message: "Failed to create backup.",
    hint: "The server's answer was lost, and it is idle without having the backup: it was not made.",
  },
  create_unsettled: {
    status: 504,
    message: "It could not be settled whether the backup was made.",
    hint: "Look at the list and at the server; nothing was sent twice.",
  },
  delete_lost: {
    status: 400,
    message: "Invalid or already deleted backup file.",
    hint: "The server's answer was lost and the backup is still there: ask again.",
  },
  delete_unsettled: {
    status: 504,
    message: "It could not be settled whether the backup was deleted.",
    hint: "Look at the list when the server answers again.",
  },
} as const satisfies Catalogue;
