import * as z from "zod";
import type { Problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { readDirectory } from "./central-directory.ts";
import { DatabaseFactsSchema, inspectDatabase } from "./database.ts";
import { findDirectory } from "./end-record.ts";
import { binarySizeInWords, quotedName } from "./entry-name.ts";
import { type Finding, finding, type Halt, refused } from "./finding.ts";
import type { Flavour } from "./flavour.ts";
import { checkLocalHeader } from "./local-header.ts";
import type { ServerFile } from "./names.ts";
import { type RangeReader, Ranges, WINDOW } from "./ranges.ts";
import { Survey } from "./survey.ts";

/** What an archive holds. `database` is null when there is none to trust, and always of BosBase. Sizes in bytes. */
export const ArchiveFactsSchema = z.object({
  entries: z.number(),
  uncompressed: z.number(),
  /** SHA-256 (hex) of the directory's bytes: names, sizes and CRCs of everything in it. Approvals are bound to it. */
  directorySha256: z.string(),
  database: DatabaseFactsSchema.nullable(),
});
export type ArchiveFacts = z.infer<typeof ArchiveFactsSchema>;

export type ArchiveInspection = {
  /** Empty when nothing is wrong; the first of severity `refuse` is the one to report. */
  findings: Finding[];
  /** Null when the table of contents could not be trusted. */
  archive: ArchiveFacts | null;
  /** The newest time of a file beside a `data.db`, ms since the epoch; null when it has none or states no time. */
  newestEntry: number | null;
  cost: ReadCost;
};

/** What the inspection read: requests, bytes of the archive, local headers compared. */
export type ReadCost = { reads: number; bytes: number; localHeaders: number };

/**
 * Up to this size and number of entries every local header is compared: reading the whole archive takes few requests.
 */
const SMALL_BYTES = 4 * WINDOW;
const SMALL_ENTRIES = 20_000;

/**
 * Inspects an archive by ranged reads (SECURITY 17): its end, its table of contents, that its entries fill it without
 * gap or overlap, its names, local headers (all of a small archive, else the samples of `Tiling` and the databases),
 * and the first and last bytes of the databases. At most 48 reads of at most 1 MiB, 33 of them only at the directory's
 * limit of 32 MiB; a usual backup takes four. The result is a problem only when the bytes could not be read.
 *
 * A backup of BosBase holds files only, or none: an empty archive is whole, and a `data.db` in it is a file left over from
 * PocketBase that no server reads, so databases are not looked at.
 */
export async function inspectArchive(
  reader: RangeReader,
  size: number,
  flavour: Flavour = "pocketbase",
): Promise<Result<ArchiveInspection, Problem>> {
  const ranges = new Ranges(reader, size);
  const progress: Progress = { findings: [], archive: null, newestEntry: null, localHeaders: 0 };
  const end = await inspect(ranges, progress, flavour === "bosbase");
  if (!end.ok) {
    if (end.error.kind === "unread") return fail(end.error.problem);
    progress.findings.push(end.error.finding);
  }
  const { findings, archive, newestEntry, localHeaders } = progress;
  return ok({ findings, archive, newestEntry, cost: { reads: ranges.reads, bytes: ranges.bytes, localHeaders } });
}

type Progress = Pick<ArchiveInspection, "findings" | "archive" | "newestEntry"> & { localHeaders: number };

async function inspect(ranges: Ranges, progress: Progress, filesOnly: boolean): Promise<Result<null, Halt>> {
  const directory = await findDirectory(ranges);
  if (!directory.ok) return directory;
  const { start, entries } = directory.value;
  if (entries === 0 && !filesOnly) return fail(refused(finding("no_entries")));
  const small = start <= SMALL_BYTES && entries <= SMALL_ENTRIES;
  const survey = new Survey(small);
  const digest = await readDirectory(ranges, directory.value, (entry) => survey.add(entry));
  if (!digest.ok) return digest;
  const broken = survey.end(start);
  if (broken) return fail(refused(broken));
  const archive = { entries, uncompressed: survey.unpacked, directorySha256: digest.value, database: null };
  const databases = filesOnly
    ? []
    : ["data.db", "auxiliary.db"].map((file) => survey.serverFiles.get(file as ServerFile)?.offset);
  for (const entry of survey.toCompare) {
    if (databases.includes(entry.offset)) continue;
    const ahead = small ? start : entry.offset;
    const header = await checkLocalHeader(ranges, entry, ahead);
    if (!header.ok) return header;
    progress.localHeaders++;
  }
  progress.findings.push(...survey.names.findings());
  progress.archive = archive;
  if (!filesOnly && survey.serverFiles.has("data.db")) progress.newestEntry = survey.newest;
  return filesOnly ? ok(null) : inspectDatabases(ranges, survey, progress);
}

async function inspectDatabases(ranges: Ranges, survey: Survey, progress: Progress): Promise<Result<null, Halt>> {
  const { serverFiles, names } = survey;
  const data = serverFiles.get("data.db");
  const misplaced = names.misplacedDatabase(data !== undefined);
  if (misplaced || !data) {
    if (misplaced) progress.findings.push(misplaced);
    return ok(null);
  }
  for (const file of ["data.db", "auxiliary.db"] as const) {
    const entry = serverFiles.get(file);
    if (!entry) continue;
    const wal = serverFiles.get(`${file}-wal` satisfies ServerFile);
    const unmerged = (wal?.unpacked ?? 0) > 0;
    const database = await inspectDatabase(ranges, entry, { name: file, main: file === "data.db", unmerged });
    if (!database.ok) return database;
    progress.localHeaders++;
    if (database.value.finding) progress.findings.push(database.value.finding);
    if (unmerged)
      progress.findings.push(finding("unmerged", quotedName(`${file}-wal`), binarySizeInWords(wal!.unpacked)));
    if (file === "data.db") progress.archive!.database = database.value.facts;
  }
  return ok(null);
}
