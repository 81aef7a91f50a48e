import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export type StoredRow = { file: string; table: string; row: Record<string, string> };

/** Every file below a relay's data folder, by its path in it, but for what SQLite keeps beside a database that is open. */
export const filesIn = (dataDir: string): string[] =>
  readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/-(shm|wal)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(dataDir.length + 1))
    .sort();

/** Every row of every object, read from a copy: what is written ahead counts as well, and nothing is changed. */
export function storedRows(dataDir: string): StoredRow[] {
  const copy = mkdtempSync(join(tmpdir(), "relay-storage-"));
  try {
    cpSync(dataDir, copy, { recursive: true });
    return filesIn(copy)
      .filter((file) => file.endsWith(".sqlite"))
      .flatMap((file) => rowsOf(join(copy, file)).map((row) => ({ file, ...row })));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Numbers and bytes as text, so that whatever stands in a row can be searched for. */
const readable = (row: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value),
    ]),
  );

function rowsOf(path: string): Omit<StoredRow, "file">[] {
  const database = new DatabaseSync(path);
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[];
    return tables.flatMap(({ name }) => {
      const all = database.prepare(`SELECT * FROM "${name}"`);
      all.setReadBigInts(true);
      return (all.all() as Record<string, unknown>[]).map((row) => ({ table: name, row: readable(row) }));
    });
  } finally {
    database.close();
  }
}
