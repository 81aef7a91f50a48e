import type { Migration } from "../storage/migrate.ts";

/**
 * The tables of one endpoint. A delivery is keyed by its event's `seq`: an integer primary key costs one row per write, a
 * text key would cost two. `turn` and `upto` are the cursor: the row of the highest turn says up to where the ledger is
 * read, so that cursor and deliveries cannot part.
 */
export const endpointSteps: readonly Migration[] = [
  [
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE sealed (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE deliveries (seq INTEGER PRIMARY KEY, event TEXT NOT NULL, type TEXT NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL, at INTEGER NOT NULL, ms INTEGER, status INTEGER, turn INTEGER NOT NULL, upto INTEGER NOT NULL)",
    "CREATE TABLE attempts (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, type TEXT NOT NULL, attempt INTEGER NOT NULL, ms INTEGER NOT NULL, status INTEGER, kind TEXT, message TEXT, snippet TEXT, test INTEGER NOT NULL)",
  ],
  [
    "UPDATE meta SET value = json_remove(json_set(value, '$.activation', json_extract(value, '$.generation')), '$.generation') WHERE name = 'memory'",
    "UPDATE meta SET value = json_remove(json_set(value, '$.disabling.activation', json_extract(value, '$.disabling.generation')), '$.disabling.generation') WHERE name = 'memory' AND json_type(value, '$.disabling') = 'object'",
  ],
];

/** The endpoint's own id, written when it is set up. */
export function endpointName(sql: SqlStorage, given: string | null): string {
  if (given !== null) sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('id', ?)", given);
  return sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'id'").toArray()[0]?.value ?? "";
}
