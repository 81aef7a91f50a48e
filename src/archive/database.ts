import { constants, inflateRawSync } from "node:zlib";
import * as z from "zod";
import { ok, type Result } from "../base/result.ts";
import { binarySizeInWords, quotedName } from "./entry-name.ts";
import { type Finding, finding, type Halt } from "./finding.ts";
import { checkDescriptor, checkLocalHeader, LOCAL_SIZE, type PlacedEntry } from "./local-header.ts";
import type { Ranges } from "./ranges.ts";
import { readSchema, readSqliteHeader, SQLITE_HEADER_SIZE } from "./sqlite-header.ts";

export const DatabaseFactsSchema = z.object({ bytes: z.number(), pageSize: z.number(), pages: z.number() });
type DatabaseFacts = z.infer<typeof DatabaseFactsSchema>;
type DatabaseInspection = { facts: DatabaseFacts | null; finding: Finding | null };

/**
 * How much of the packed data is fetched: unpacked it is at least a page in practice and at most 16 MiB by deflate's
 * limit.
 */
const HEAD = 16 * 1024;

/**
 * Inspects one database of the archive: local header, the first bytes unpacked, page size × pages = size, and the
 * descriptor at its far end. `main` is `data.db`, which must not be empty and must be PocketBase's; the other one
 * (`auxiliary.db`) may be empty, then the server makes a new one. With `unmerged` changes in a `-wal` file the size of
 * the file may lag behind its header, which SQLite settles when it opens them (WAL format §4.4). Two reads.
 */
export async function inspectDatabase(
  ranges: Ranges,
  entry: PlacedEntry,
  { name, main, unmerged }: { name: string; main: boolean; unmerged: boolean },
): Promise<Result<DatabaseInspection, Halt>> {
  const start = await checkLocalHeader(ranges, entry, entry.offset + LOCAL_SIZE + entry.name.length + HEAD);
  if (!start.ok) return start;
  if (entry.unpacked === 0) return ok({ facts: null, finding: main ? finding("database_empty") : null });
  const packed = await ranges.read(start.value, start.value + Math.min(entry.packed, HEAD));
  if (!packed.ok) return packed;
  const head = entry.method === 0 ? packed.value : unpack(packed.value);
  const label = quotedName(name);
  if (head === null) return found(finding("database_damaged", label));
  const header = readSqliteHeader(head);
  if (header === null) {
    const whole = head.length >= Math.min(entry.unpacked, SQLITE_HEADER_SIZE);
    return found(finding(whole ? "database_not_sqlite" : "database_damaged", label));
  }
  const facts = { bytes: entry.unpacked, ...header };
  const schema = readSchema(head, header);
  if (schema === "damaged") return found(finding("database_damaged", label));
  if (schema === "foreign" && main && !unmerged) return found(finding("database_foreign"));
  const stated = header.pageSize * header.pages;
  if (stated !== entry.unpacked && !unmerged) {
    const code = stated > entry.unpacked ? "database_cut" : "database_longer";
    return ok({ facts, finding: finding(code, label, exact(entry.unpacked), exact(stated)) });
  }
  const end = await checkDescriptor(ranges, entry, start.value);
  return end.ok ? ok({ facts, finding: null }) : end;
}

/** What the first bytes unpack to, or null when they are no deflate data. */
function unpack(packed: Uint8Array): Uint8Array | null {
  try {
    return inflateRawSync(packed, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return null;
  }
}

const exact = (bytes: number): string =>
  bytes < 1024 ? binarySizeInWords(bytes) : `${bytes.toLocaleString("en")} bytes (${binarySizeInWords(bytes)})`;

const found = (finding: Finding): Result<DatabaseInspection, Halt> => ok({ facts: null, finding });
