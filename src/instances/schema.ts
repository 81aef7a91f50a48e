import { type Migration, renamed } from "../storage/migrate.ts";

/** Tables keyed by text are WITHOUT ROWID: a write then costs one row instead of two. */
export const instanceSteps: readonly Migration[] = [
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
  [
    "ALTER TABLE sightings RENAME TO tracked_backups",
    "ALTER TABLE attributions RENAME TO expected_changes",
    "ALTER TABLE expected_changes RENAME COLUMN deed TO change",
    "ALTER TABLE verdicts RENAME TO verifications",
    "UPDATE meta SET name = 'observer' WHERE name = 'watch'",
    renamed("tracked_backups", { said: "announced", seen: "candidate", gone: "recentlyGone" }),
    "UPDATE meta SET value = json_remove(json_set(value, '$.reach.announced', json_extract(value, '$.reach.said')), '$.reach.said') WHERE name = 'observer'",
    "UPDATE meta SET value = json_remove(json_set(value, '$.overdue.announcedAt', json_extract(value, '$.overdue.saidAt')), '$.overdue.saidAt') WHERE name = 'observer' AND json_type(value, '$.overdue') = 'object'",
    renamed("keys", { generation: "secretVersion" }),
    "UPDATE keys SET record = json_set(record, '$.holder', NULL)",
    renamed("endpoints", { generation: "activation" }),
    renamed("operations", { restore: "data" }),
    "UPDATE operations SET record = json_set(record, '$.data.end', json(CASE WHEN json_type(record, '$.data.outcome') = 'object' THEN json_object('outcome', json_extract(record, '$.data.outcome.verdict'), 'downtimeMs', json_extract(record, '$.data.outcome.downtimeMs')) END)) WHERE json_type(record, '$.data') = 'object'",
    "UPDATE operations SET record = json_set(record, '$.data.cleanedUp', json('true')) WHERE record ->> '$.data.tidied'",
    "UPDATE operations SET record = json_remove(record, '$.data.outcome', '$.data.tidied') WHERE json_type(record, '$.data') = 'object'",
  ],
  [
    "CREATE TABLE nudges (nonce TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "ALTER TABLE denials ADD COLUMN target TEXT NOT NULL DEFAULT ''",
  ],
];

/** First step of a removal, so that after a kill in between no key, credential or configuration is left to act with. */
export function forgetRights(sql: SqlStorage): void {
  for (const table of ["keys", "sealed", "meta"]) sql.exec(`DELETE FROM ${table}`);
}
