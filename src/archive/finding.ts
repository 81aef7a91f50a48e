import type { Problem } from "../base/problem.ts";

/** The part of the preflight a finding belongs to. */
export const archiveCheckNames = ["archive", "names", "database"] as const;
export type ArchiveCheckName = (typeof archiveCheckNames)[number];
export const severities = ["refuse", "warn"] as const;
type Severity = (typeof severities)[number];

/** One thing found in an archive, in words for the person who has to restore it. */
export type Finding = { check: ArchiveCheckName; severity: Severity; code: FindingCode; message: string };

/**
 * Why an inspection ended early: the archive is not acceptable, or its bytes could not be read (which says nothing
 * about it).
 */
export type Halt = { kind: "refused"; finding: Finding } | { kind: "unread"; problem: Problem };

const OTHER_COPY = "Use another copy of this file, or an earlier backup.";
const KILLS = "A server that restores it stops and does not start again.";
const NEVER_WRITTEN = "No server writes archives like this";

/**
 * Every finding with the check it belongs to, its severity and its text. What a text says about servers was observed
 * on PocketBase 0.40.6 and 0.39.11.
 */
const catalogue = {
  file_empty: ["archive", "refuse", () => "The file is empty: it holds no data at all."],
  not_zip: ["archive", "refuse", () => "The file is not a ZIP archive, so it is not a backup."],
  truncated: ["archive", "refuse", () => `The archive is cut off: its end is missing. ${OTHER_COPY}`],
  bytes_after: [
    "archive",
    "refuse",
    () => `There is foreign data after the end of the archive. ${NEVER_WRITTEN}. ${OTHER_COPY}`,
  ],
  bytes_before: [
    "archive",
    "refuse",
    () => `There is foreign data before the first file of the archive. ${NEVER_WRITTEN}. ${OTHER_COPY}`,
  ],
  several_ends: [
    "archive",
    "refuse",
    () => "The archive has more than one end, so two programs could read two different contents from it.",
  ],
  several_disks: ["archive", "refuse", () => "The archive is one part of a set of several files. Join them first."],
  zip64_invalid: ["archive", "refuse", () => `The entries for large archives contradict each other. ${OTHER_COPY}`],
  directory_damaged: ["archive", "refuse", () => `The archive's table of contents is damaged. ${OTHER_COPY}`],
  no_entries: ["archive", "refuse", () => "The archive is valid but holds no files."],
  too_many_entries: [
    "archive",
    "refuse",
    (found: string, limit: string) =>
      `The archive holds ${found} files; more than ${limit} are not examined here. Restore it in the server's own dashboard.`,
  ],
  directory_too_large: [
    "archive",
    "refuse",
    (found: string, limit: string) =>
      `The archive's table of contents is ${found}; more than ${limit} are not examined here. Restore it in the server's own dashboard.`,
  ],
  unpacked_too_large: [
    "archive",
    "refuse",
    (found: string, limit: string) => `Unpacked it would take ${found}; more than ${limit} are refused.`,
  ],
  bomb: [
    "archive",
    "refuse",
    (found: string, packed: string) =>
      `${packed} would unpack to ${found}. Real data never packs that well; this is made to fill a disk.`,
  ],
  out_of_order: ["archive", "refuse", () => `The files overlap or lie out of order. ${NEVER_WRITTEN}. ${OTHER_COPY}`],
  gap: [
    "archive",
    "refuse",
    () => `There are stray bytes between the files of the archive. ${NEVER_WRITTEN}. ${OTHER_COPY}`,
  ],
  encrypted: [
    "archive",
    "refuse",
    (name: string) =>
      `${name} is encrypted. Servers cannot restore encrypted archives; unpack it and pack it without a password.`,
  ],
  method_unknown: [
    "archive",
    "refuse",
    (name: string, method: string) =>
      `${name} is packed with method ${method}. Servers read only plain (0) and deflated (8) files; pack it again.`,
  ],
  header_differs: [
    "archive",
    "refuse",
    (name: string) =>
      `The archive says two different things about ${name}: it is damaged or was tampered with. ${OTHER_COPY}`,
  ],
  name_unsafe: [
    "names",
    "refuse",
    (name: string, count: string) =>
      `Files with an unusable name, or one that points outside the server's data folder: ${count}, first ${name}.`,
  ],
  name_misplaced: [
    "names",
    "refuse",
    (name: string, count: string) =>
      `Names with backslashes, or with other capitals than the server's own (storage, data.db): ${count}, first ${name}. The server would put these files elsewhere than its own backups do, and uploaded files would be lost. Unpack the archive, go to the folder that holds data.db and storage, spelled like this, and run: zip -r ../repacked.zip .`,
  ],
  name_twice: [
    "names",
    "refuse",
    (name: string, count: string) =>
      `Names that come more than once, so that nobody can tell which file counts: ${count}, first ${name}.`,
  ],
  name_conflict: [
    "names",
    "refuse",
    (name: string, count: string) =>
      `Names that are a file and a folder at once, so that a restore would fail: ${count}, first ${name}.`,
  ],
  links: [
    "names",
    "warn",
    (name: string, count: string) =>
      `Links and special files, which a restore silently leaves out: ${count}, first ${name}.`,
  ],
  no_database: [
    "database",
    "refuse",
    () => "The archive holds no database (data.db): it is not a PocketBase backup, or it was made without its data.",
  ],
  no_database_bosbase: [
    "database",
    "refuse",
    () =>
      "The archive holds no database. BosBase keeps its data in PostgreSQL and does not put it into its backups: this file cannot bring the data back. Restore PostgreSQL from its own backup.",
  ],
  database_in_folder: [
    "database",
    "refuse",
    (name: string) =>
      `The database lies in a folder (${name}) instead of at the top: the folder was packed, not its content. Pack the content of that folder again.`,
  ],
  database_not_file: [
    "database",
    "refuse",
    (name: string) => `${name} is a folder or a link where the server needs a file. ${KILLS}`,
  ],
  database_empty: [
    "database",
    "refuse",
    () => "The database (data.db) is empty. A restore would leave a server without data and without any superuser.",
  ],
  database_not_sqlite: ["database", "refuse", (name: string) => `${name} is not an SQLite database. ${KILLS}`],
  database_damaged: [
    "database",
    "refuse",
    (name: string) => `${name} cannot be unpacked, or its first page is damaged. ${OTHER_COPY}`,
  ],
  database_cut: [
    "database",
    "refuse",
    (name: string, found: string, expected: string) =>
      `${name} is ${found} long but says of itself that it is ${expected}. ${KILLS}`,
  ],
  database_longer: [
    "database",
    "refuse",
    (name: string, found: string, expected: string) =>
      `${name} is ${found} long but says of itself that it is ${expected}: it was not copied as a whole. ${OTHER_COPY}`,
  ],
  database_foreign: [
    "database",
    "refuse",
    () =>
      "The database (data.db) is SQLite but not PocketBase's: a restore would leave a server without data and without any superuser.",
  ],
  unmerged: [
    "database",
    "warn",
    (name: string, size: string) =>
      `The newest changes lie beside the database, in ${name} (${size}): the server takes them over when it starts, but they could not be checked here.`,
  ],
} as const satisfies Record<string, readonly [ArchiveCheckName, Severity, (...words: string[]) => string]>;

export type FindingCode = keyof typeof catalogue;

/** The finding for a code; `words` are put into its sentence and must already be safe to show. */
export function finding<C extends FindingCode>(code: C, ...words: Parameters<(typeof catalogue)[C][2]>): Finding {
  const [check, severity, text] = catalogue[code] as readonly [
    ArchiveCheckName,
    Severity,
    (...words: string[]) => string,
  ];
  return { check, severity, code, message: text(...words) };
}

/**
 * The same of a backup that the server itself has made: whatever lies in its data folder has a name of the server's own, and
 * a restore puts it back where it was.
 */
export const asOfServer = (findings: readonly Finding[]): Finding[] =>
  findings.map((found) => (found.code === "name_misplaced" ? { ...found, severity: "warn", message: OWN_ODD } : found));

const OWN_ODD =
  "The server's data folder itself holds names with backslashes or other capitals; a restore puts these files back as they are.";

export const refused = (found: Finding): Halt => ({ kind: "refused", finding: found });
export const unread = (problem: Problem): Halt => ({ kind: "unread", problem });
