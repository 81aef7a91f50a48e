import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { listProcesses } from "../process-list.ts";
import type { Place } from "./search.ts";

/** Larger files are other programs' own. */
const LARGEST = 8 << 20;

function bytesOf(path: string): Buffer | null {
  try {
    const { size } = statSync(path);
    return size > LARGEST ? null : readFileSync(path);
  } catch {
    // Gone, or not ours to read.
    return null;
  }
}

/** Every file below a folder, byte for byte: what a database keeps of deleted rows, and its log, included. */
export function filesUnder(folder: string, medium: string): Place[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ parentPath, name }) => {
      const bytes = bytesOf(join(parentPath, name));
      return bytes === null ? [] : [{ place: `${medium}: ${name}`, bytes }];
    });
}

/** What stands in a temporary folder that others use as well and was written since then, one level deep. */
export function filesSince(folder: string, since: number, medium: string): Place[] {
  const isNew = (path: string) => {
    const known = statSync(path, { throwIfNoEntry: false });
    return known?.isFile() === true && known.mtimeMs >= since;
  };
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter(isNew)
    .flatMap((path) => {
      const bytes = bytesOf(path);
      return bytes === null ? [] : [{ place: `${medium}: ${path}`, bytes }];
    });
}

/** Files that a process holds open outside of a folder, deleted ones too. */
export function filesHeldBy(pid: number, except: string): Place[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((descriptor) => {
    try {
      const target = readlinkSync(join(folder, descriptor));
      if (!target.startsWith("/") || target.startsWith("/dev/") || target.startsWith(except)) return [];
      const bytes = bytesOf(join(folder, descriptor));
      return bytes === null ? [] : [{ place: `open file: ${target}`, bytes }];
    } catch {
      return [];
    }
  });
}

/** The command line of every process we may see. */
export const commandLines = (): Place[] =>
  listProcesses().map(({ commandLine }) => ({ place: "process arguments", bytes: Buffer.from(commandLine) }));

/** `sealed` says that the column holds ciphertext only. */
export type Cell = Place & { table: string; sealed: boolean };

/** Every value of every row of every table of every database below a folder. */
export function cellsUnder(folder: string): Cell[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(({ name }) => name.endsWith(".sqlite"))
    .flatMap(({ parentPath, name }) => cellsOf(join(parentPath, name)));
}

function cellsOf(path: string): Cell[] {
  const database = new DatabaseSync(path);
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[];
    return tables.flatMap(({ name: table }) => {
      const rows = database.prepare(`SELECT * FROM "${table}"`);
      rows.setReadBigInts(true);
      return rows.all().flatMap((row) =>
        Object.entries(row).map(([column, value]) => ({
          place: `stored row: ${table}.${column}`,
          table,
          sealed: table === "sealed" && column === "value",
          bytes: value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value ?? "")),
        })),
      );
    });
  } finally {
    database.close();
  }
}
