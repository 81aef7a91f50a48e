import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { privateFolder } from "./private-folder.ts";
import { asRefusal, Refusal } from "./refusal.ts";

/**
 * Takes a folder for this process: closed to other users, folders that `ours` knows by name included, and locked. The lock
 * is the operating system's, taken through SQLite, and ends with this process however it ends, so that a kill leaves no
 * stale lock.
 */
export function lockFolder(folder: string, name: string, ours: (name: string) => boolean): { release(): void } {
  privateFolder(folder, ours);
  const path = join(folder, name);
  try {
    // SQLite gives its journal the mode of this file.
    closeSync(openSync(path, "a", 0o600));
  } catch (error) {
    throw asRefusal(error, folder);
  }
  const lock = new DatabaseSync(path);
  try {
    lock.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    const full = /full|readonly/.test((error as Error).message);
    throw new Refusal(
      full
        ? `${folder} cannot be written (${(error as Error).message}): make room or mount it for writing, then try again.`
        : `${folder} is in use by another process: end that one, or choose another folder.`,
    );
  }
  return { release: () => lock.close() };
}
