import { Buffer } from "node:buffer";

/** The part of a database file that says how large it is (SQLite file format §1.3). */
type SqliteHeader = { pageSize: number; pages: number };

/** The header is 100 bytes at the file's start. */
export const SQLITE_HEADER_SIZE = 100;

const MAGIC = Buffer.from("SQLite format 3\0", "latin1");

/**
 * Reads a database header, or null when SQLite would not take the file for a database (`file is not a database`):
 * magic, page size, read version and the three fixed payload fractions (`btree.c` lockBtree). `bytes` are the file's
 * first ones.
 */
export function readSqliteHeader(bytes: Uint8Array): SqliteHeader | null {
  if (bytes.length < SQLITE_HEADER_SIZE) return null;
  if (MAGIC.compare(bytes, 0, MAGIC.length) !== 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const written = view.getUint16(16);
  const pageSize = written === 1 ? 65_536 : written;
  const powerOfTwo = (pageSize & (pageSize - 1)) === 0;
  if (pageSize < 512 || !powerOfTwo || pageSize - bytes[20]! < 480) return null;
  if (bytes[19]! > 2 || bytes[21] !== 64 || bytes[22] !== 32 || bytes[23] !== 32) return null;
  return { pageSize, pages: view.getUint32(28) };
}

/** What the first page shows of the tables. */
type Schema = "pocketbase" | "foreign" | "damaged" | "unknown";

/**
 * Page 1 is the root of the table of tables. Where that is a single leaf (§1.6: type 13) every table is named on it, so
 * a page without PocketBase's `_collections` belongs to another application. Where it has outgrown the page (type 5, as
 * in any PocketBase of today), or the page is not all there, the answer is `unknown`.
 */
export function readSchema(bytes: Uint8Array, { pageSize }: SqliteHeader): Schema {
  const type = bytes[SQLITE_HEADER_SIZE];
  if (type === undefined) return "unknown";
  if (type !== 5 && type !== 13) return "damaged";
  if (type === 5 || bytes.length < pageSize) return "unknown";
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, pageSize);
  return page.includes("_collections") ? "pocketbase" : "foreign";
}
