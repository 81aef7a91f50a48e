import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Write transactions committed so far to each SQLite database below a folder, by path. Read from the shared index of
 * its write-ahead log, whose header counts them (`iChange`, the third 32-bit word, in the machine's byte order:
 * sqlite.org/walformat.html §2.1), so counting disturbs nothing.
 */
export function storedTransactions(folder: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    if (file.endsWith("-shm")) counts.set(file.slice(0, -4), readFileSync(join(folder, file)).readUInt32LE(8));
  return counts;
}

/** How many transactions lie between two counts, over all databases. */
export function transactionsBetween(before: Map<string, number>, after: Map<string, number>): number {
  let sum = 0;
  for (const [file, count] of after) sum += count - (before.get(file) ?? 0);
  return sum;
}
