import { utf8 } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

/** Longest key of a backup, in bytes: S3's own limit. */
const MAX_KEY_BYTES = 1024;

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Whether a name can be the key of a backup at all (SECURITY 11). A path or control character is refused with 404, since no
 * backup is called so; what would reach another endpoint or the store's own files is `backup_name_refused`, 400, as
 * PocketBase 0.40 answers it.
 */
export function checkBackupKey(name: string): Result<string, Problem> {
  if (name === "" || /[/\\]/.test(name) || CONTROL.test(name)) return fail(problem("not_found"));
  const reserved = name === "." || name === ".." || name.endsWith(".attrs");
  if (reserved || !name.isWellFormed() || utf8(name).length > MAX_KEY_BYTES)
    return fail(problem("backup_name_refused"));
  return ok(name);
}

/** The key in a raw (still percent-encoded) path segment, decoded exactly once: `%252e` stays `%2e`. */
export function decodeBackupKey(rawSegment: string): Result<string, Problem> {
  if (rawSegment.length > 3 * MAX_KEY_BYTES) return fail(problem("backup_name_refused"));
  try {
    return checkBackupKey(decodeURIComponent(rawSegment));
  } catch {
    return fail(problem("backup_name_refused"));
  }
}

/** The key in the address of a call on one backup: the third segment of the path as it was sent. */
export function backupKeyIn(url: string): Result<string, Problem> {
  // Not by `URL()`: that folds `.` and `%2e%2e` into the path of another call.
  const path = url.replace(/^[a-z]+:\/\/[^/?#]*/i, "").split(/[?#]/)[0]!;
  return decodeBackupKey(path.split("/")[3] ?? "");
}

/**
 * PocketBase's local store lists `__0xNN__` in a file's name as the character it stands for (`blob/hex.go`), while
 * download and delete look for the file by the listed name: whoever makes such a file puts it in another one's place.
 */
const ESCAPED = /__0x[^_]*__/i;

const ESCAPED_HINT = "The server would list it under another name: no new backup's name may hold __0x…__.";

/** Whether a new file may have this name: one that can be a key at all, and that the server lists as it is (SECURITY 35). */
export function checkNewName(name: string): Result<string, Problem> {
  if (ESCAPED.test(name)) return fail(problem("backup_name_refused", { hint: ESCAPED_HINT }));
  return checkBackupKey(name);
}

/**
 * Whether `POST /api/backups` may create a backup of this name, in PocketBase's words (`apis/backup_create.go`): 1–150
 * bytes, then the pattern, which here leaves out what the server would list under another name. An empty name there means
 * "generate one": do that first.
 */
export function isCreatableName(name: string): Result<string, Problem> {
  const refuse = (code: string, message: string, params?: Record<string, unknown>) =>
    fail(problem("invalid_request", { data: { name: params ? { code, message, params } : { code, message } } }));
  const bytes = utf8(name).length;
  if (bytes < 1 || bytes > 150) {
    return refuse("validation_length_out_of_range", "The length must be between 1 and 150.", { max: 150, min: 1 });
  }
  if (!/^[a-z0-9_-]+\.zip$/.test(name)) return refuse("validation_match_invalid", "Must be in a valid format.");
  return checkNewName(name);
}

/** What the server's own cron calls its backups (core/base_backup.go), and what it prunes by. */
export const CRON_PREFIX = "@auto_pb_backup_";
const RESERVED = [CRON_PREFIX, "@update_", "pre_restore_"];

/**
 * Names that the server or the relay prunes by: uploading one pushes genuine backups out, so it needs `backups:delete`
 * as well (SECURITY 12).
 */
export const isReservedName = (name: string): boolean => RESERVED.some((prefix) => name.startsWith(prefix));

/** `tools/inflector/inflector.go` Snakecase: only ASCII word characters survive. */
const snakeCase = (text: string): string =>
  text
    .split(/[\W_]+/)
    .filter((word) => word !== "")
    .map((word) => word.replace(/(?<=[^A-Z])(?=[A-Z])/g, "_"))
    .join("_")
    .toLowerCase();

/**
 * The name PocketBase would generate at that moment (`core/base_backup.go`): `pb_backup_<app>_<YYYYMMDDHHMMSS UTC>.zip`,
 * at most 79 bytes. An unknown application name counts as an empty one, which leaves two underscores.
 */
export function generatedBackupName(appName: string | null, at: number): string {
  const stamp = new Date(at).toISOString().slice(0, 19).replace(/\D/g, "");
  return `pb_backup_${snakeCase(appName ?? "").slice(0, 50)}_${stamp}.zip`;
}
