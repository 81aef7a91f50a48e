import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Refusal } from "./refusal.ts";

/**
 * Keeps two processes out of one data folder: a lock of the operating system, taken through SQLite, that ends with this
 * process however it ends, so that a kill leaves no stale lock.
 */
export function lockFolder(folder: string, name: string): { release(): void } {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  const lock = new DatabaseSync(path);
  try {
    lock.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
    chmodSync(path, 0o600);
  } catch {
    lock.close();
    throw new Refusal(`${folder} is in use by another process: end that one, or choose another folder.`);
  }
  return { release: () => lock.close() };
}
