import type { Migration } from "../storage/migrate.ts";

export const directorySteps: readonly Migration[] = [
  [
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE instances (name TEXT PRIMARY KEY, id TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID",
  ],
  ["CREATE TABLE removals (number INTEGER PRIMARY KEY AUTOINCREMENT, record TEXT NOT NULL)"],
];
