import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

/** One version step of an object's tables: statements that take version n to n + 1. */
export type Step = readonly string[];

/** Tables keyed by text are WITHOUT ROWID: a write then costs one row instead of two. */
export const instanceSteps: readonly Step[] = [
  [
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE sealed (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE keys (id TEXT PRIMARY KEY, parent TEXT, record TEXT NOT NULL, uses INTEGER NOT NULL DEFAULT 0, used_at INTEGER, used_from TEXT) WITHOUT ROWID",
    "CREATE TABLE quotas (key TEXT NOT NULL, scope TEXT NOT NULL, day TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (key, scope)) WITHOUT ROWID",
    "CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, code TEXT, detail TEXT, address TEXT, user_agent TEXT NOT NULL, request_id TEXT NOT NULL)",
    "CREATE TABLE denials (minute INTEGER NOT NULL, actor TEXT NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL, action TEXT NOT NULL, times INTEGER NOT NULL, address TEXT, user_agent TEXT NOT NULL, request_id TEXT NOT NULL, PRIMARY KEY (minute, actor, code, detail)) WITHOUT ROWID",
    "CREATE TABLE events (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL)",
    "CREATE TABLE sightings (key TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE attributions (key TEXT NOT NULL, deed TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, operation TEXT, PRIMARY KEY (key, deed)) WITHOUT ROWID",
    "CREATE TABLE verdicts (key TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE idempotency (name TEXT PRIMARY KEY, at INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE operations (id TEXT PRIMARY KEY, active INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE transfers (id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, started_at INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE endpoints (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID",
  ],
];

export const directorySteps: readonly Step[] = [
  [
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE instances (name TEXT PRIMARY KEY, id TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID",
  ],
];

/** The version the tables are at; null for an object that never made any. */
export function storedVersion(sql: SqlStorage): number | null {
  const table = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'").toArray();
  if (table.length === 0) return null;
  return Number(sql.exec("SELECT version FROM schema_version").one().version);
}

/**
 * Brings the tables to the newest version, all steps or none. A version newer than this code knows is refused: an older
 * relay must not write into tables it does not understand.
 */
export function migrate(storage: DurableObjectStorage, steps: readonly Step[]): Result<null, Problem> {
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

/** First step of a removal, that no kill takes back: no key, no credential and no configuration are left to act with. */
export function forgetRights(sql: SqlStorage): void {
  for (const table of ["keys", "sealed", "meta"]) sql.exec(`DELETE FROM ${table}`);
}
