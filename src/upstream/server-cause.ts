/** Why something failed on the server, as its log or its answer says, and the way out. Holds no text that only it may show. */
export type Cause = { code: string; message: string; hint: string };

const ANOTHER_COPY = "Use another copy of this file, or an earlier backup.";
const WHOLE_MOUNT =
  "Mount the whole data folder instead of folders inside it, and keep it on one disk. Until then: stop the server, unpack the backup by hand and put its content in place of the data folder's.";
const ITS_S3 = "Test the backups' S3 settings in the server's dashboard (or POST /api/settings/test/s3 there).";

/**
 * Causes by the words that Go, SQLite, the operating systems and S3 have for them; the first that matches counts. Those of
 * archives, the lock and time limits were seen on PocketBase 0.40.6 and 0.39.11.
 */
const causes: readonly (readonly [pattern: RegExp, code: string, message: string, hint: string])[] = [
  [
    /data\.db file is missing/,
    "database_missing",
    "The server found no usable data.db in the archive.",
    "Pack the content of the data folder, not the folder: data.db must lie at the top of the archive.",
  ],
  [/not a valid zip file/, "not_an_archive", "The server could not read the file as an archive.", ANOTHER_COPY],
  [/checksum error|corrupt input|unexpected EOF/, "damaged", "The archive is damaged inside.", ANOTHER_COPY],
  [
    /invalid file path/,
    "unsafe_path",
    "The archive holds a name that leaves the data folder.",
    "Pack it again with names that are neither absolute nor hold `..`.",
  ],
  [
    /try again later/i,
    "busy",
    "Another backup or restore held the server at that moment.",
    "Try again when GET /api/health says canBackup.",
  ],
  [
    /no space left|not enough space on the disk|quota exceeded|disk is full/i,
    "disk_full",
    "The server's disk is full.",
    "Free space: a backup needs about twice the size of the data there, a restore the archive, the new and the old data at once.",
  ],
  [
    /device or resource busy/i,
    "mounted",
    "A folder inside the server's data folder is in use as a mount (a Docker volume, a network share), which a restore cannot move.",
    WHOLE_MOUNT,
  ],
  [
    /cross-device link|different disk drive/i,
    "other_disk",
    "The server's data folder is spread over several disks, between which a restore cannot move folders.",
    WHOLE_MOUNT,
  ],
  [
    /read-only file ?system/i,
    "read_only",
    "The server's disk can only be read.",
    "Look whether it was mounted read-only, or became so after an error (dmesg).",
  ],
  [
    /permission denied|operation not permitted|access is denied/i,
    "no_permission",
    "The server may not write where it has to.",
    "Everything in its data folder must belong to the user that the server runs as.",
  ],
  [
    /being used by another process|not supported (on|by) windows/i,
    "windows",
    "The server runs on Windows, where it cannot replace files that are open.",
    "Stop it, unpack the backup by hand in place of its data folder's content, and start it.",
  ],
  [
    /file name too long/i,
    "name_too_long",
    "A name is longer than the server's disk takes.",
    "Choose a shorter name, or pack the archive again with shorter ones.",
  ],
  [
    /too many open files/i,
    "open_files",
    "The server has as many files open as it may.",
    "Raise its limit (ulimit -n, LimitNOFILE) and restart it.",
  ],
  [
    /cannot allocate memory|out of memory/i,
    "no_memory",
    "The server ran out of memory.",
    "Give it more, or try again when it has less to do.",
  ],
  [
    /disk I\/O error|input\/output error/i,
    "disk_error",
    "The server's disk reports errors.",
    "Look at the machine's own log (dmesg) and copy the newest backup away first.",
  ],
  [
    /disk image is malformed|file is not a database/i,
    "database_damaged",
    "The server's own database is damaged.",
    "Look at it with sqlite3 data.db 'PRAGMA integrity_check', and restore an earlier backup.",
  ],
  [
    /database (table )?is locked|SQLITE_BUSY/,
    "database_locked",
    "The server's database was locked by other work for too long.",
    "Try again at a quieter time.",
  ],
  [/NoSuchBucket/, "no_bucket", "The bucket of the server's S3 storage does not exist.", ITS_S3],
  [
    /SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied/,
    "bucket_refused",
    "The server's S3 storage refuses it: the key is wrong or lacks a right, or the provider does not take the name.",
    `${ITS_S3} Some providers refuse names with @, as the server's own schedule makes them.`,
  ],
  [
    /connection refused|dial tcp|no such host|TLS handshake|x509:/i,
    "bucket_unreachable",
    "The server could not reach its S3 storage.",
    ITS_S3,
  ],
  [/\bS3\b|(PUT|GET|HEAD) "?https?:/i, "bucket_failed", "The server's S3 storage failed.", ITS_S3],
  [
    /deadline exceeded|timeout|timed out/i,
    "timed_out",
    "The server gave up after its own time limit.",
    "It gives an archive in S3 ten minutes: keep backups nearer to it, or smaller.",
  ],
];

/** The cause that a raw text of the server names, in the relay's own words; null when it is none of those known. */
export function knownCause(text: string): Cause | null {
  const found = causes.find(([pattern]) => pattern.test(text));
  return found ? { code: found[1], message: found[2], hint: found[3] } : null;
}

/** The same, or what is left of an unknown one: its last clause, without whatever may be a path, a name or a secret. */
export function causeIn(text: string): Cause {
  const known = knownCause(text);
  if (known) return known;
  const clause = lastClause(text);
  const message = clause === "" ? "The cause stands in the server's log." : `The server's log says: ${clause}.`;
  return { code: "unknown", message, hint: "The whole text stands in the server's log." };
}

/** Usual English words, short ones in capitals, names of errors like `AccessDenied`, and small numbers. */
const WORD = /^\(?(?:[A-Z]?[a-z']{1,15}|[A-Z]{2,5}|(?:[A-Z][a-z]+){2,3}|\d{1,3}|[a-z]+-[a-z]+)[.,;!?)]?$/;
/** What follows such a word may be what it names. */
const NAMES_A_SECRET = /pass|secret|token|key|credential|bearer|auth|user|login/i;
const LONGEST_CLAUSE = 120;
const LONGEST_TEXT = 4_000;

/** Go chains causes as `what: why: why`; whatever is not plain words is left out, marked by `…`. */
function lastClause(text: string): string {
  for (const clause of text
    .slice(-LONGEST_TEXT)
    .split(/:\s+|\n/)
    .toReversed()) {
    const words = clause.trim().split(/\s+/);
    const secret = words.findIndex((word) => NAMES_A_SECRET.test(word));
    const plain = words.map((word, at) => (WORD.test(word) && (secret < 0 || at <= secret) ? word : "…"));
    if (plain.filter((word) => /[a-z]{2}/i.test(word)).length < 2) continue;
    const told = plain.filter((word, at) => word !== "…" || plain[at - 1] !== "…").join(" ");
    return told.replace(/[.,;!?]+$/, "").slice(0, LONGEST_CLAUSE);
  }
  return "";
}
