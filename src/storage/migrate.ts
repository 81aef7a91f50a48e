import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

/** One version step of an object's tables: statements that take version n to n + 1. */
export type Migration = readonly string[];

/** Renames fields of a table's JSON `record`, old name to new, in one statement: each row is written once. */
export function renamed(table: string, names: { [from: string]: string }): string {
  const copied = Object.entries(names).map(([from, to]) => `'$.${to}', json_extract(record, '$.${from}')`);
  const removed = Object.keys(names).map((from) => `'$.${from}'`);
  return `UPDATE ${table} SET record = json_remove(json_set(record, ${copied.join(", ")}), ${removed.join(", ")})`;
}

/** The version of the tables; null when there are none. */
export function storedVersion(sql: SqlStorage): number | null {
  const table = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'").toArray();
  if (table.length === 0) return null;
  return Number(sql.exec("SELECT version FROM schema_version").one().version);
}

/**
 * Brings the tables to the newest version, all steps or none. A version newer than this code knows is refused: an older
 * relay must not write into tables it does not understand.
 */
export function migrate(storage: DurableObjectStorage, steps: readonly Migration[]): Result<null, Problem> {
  const from = storedVersion(storage.sql);
  if (from !== null && from > steps.length)
    return fail(
      problem("storage_too_new", {
        message: `The stored data has version ${from}, this relay knows ${steps.length}.`,
      }),
    );
  if (from === steps.length) return ok(null);
  try {
    storage.transactionSync(() => {
      if (from === null) storage.sql.exec("CREATE TABLE schema_version (version INTEGER NOT NULL)");
      for (const step of steps.slice(from ?? 0)) for (const statement of step) storage.sql.exec(statement);
      storage.sql.exec("DELETE FROM schema_version");
      storage.sql.exec("INSERT INTO schema_version (version) VALUES (?)", steps.length);
    });
  } catch {
    return fail(
      problem("migration_failed", {
        message: `The stored data could not be brought from version ${from ?? 0} to ${steps.length}; nothing was changed.`,
      }),
    );
  }
  return ok(null);
}
