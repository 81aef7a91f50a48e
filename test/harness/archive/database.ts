import { Buffer } from "node:buffer";

export type DatabaseOptions = {
  pageSize?: number;
  /** Pages the file really has, and pages its header speaks of. */
  pages?: number;
  stated?: number;
  /** Text of the table of tables, on the first page. */
  tables?: string;
  /** B-tree type of the first page: 13 is a leaf, 5 an inner page. */
  pageType?: number;
};

/** A file with the header and first page of an SQLite database, filled with bytes that hardly pack. */
export function database(options: DatabaseOptions = {}): Uint8Array<ArrayBuffer> {
  const { pageSize = 4096, pages = 3, tables = "CREATE TABLE `_collections`", pageType = 13 } = options;
  const file = Buffer.alloc(pageSize * pages);
  let seed = 1;
  for (let at = pageSize; at < file.length; at++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    file[at] = seed >>> 24;
  }
  file.write("SQLite format 3\0", 0, "latin1");
  file.writeUInt16BE(pageSize === 65_536 ? 1 : pageSize, 16);
  file.set([2, 2, 0, 64, 32, 32], 18);
  file.writeUInt32BE(options.stated ?? pages, 28);
  file[100] = pageType;
  file.write(tables, 200, "latin1");
  return file;
}
