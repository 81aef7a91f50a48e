import { diff } from "../../src/observing/diff.ts";
import type { Diff, Fact, ObservedState, TrackedBackup } from "../../src/observing/tracked-backup.ts";
import type { ListedBackup } from "../../src/upstream/backups-api.ts";

export const START = Date.parse("2026-11-22T10:00:00.000Z");
const serverText = (at: number) => new Date(at).toISOString().replace("T", " ");
export type Files = Record<string, { size?: number; modified?: number; text?: string }>;

/** Keeps the rows as the observer does and remembers what was told. */
export class Watcher {
  lookedAt: number | null = null;
  tracked = new Map<string, TrackedBackup>();
  facts: Fact[] = [];
  last: Diff | null = null;

  look(files: Files, at: number, serverTime: number | null = at): Fact[] {
    return this.take(
      Object.entries(files).map(([key, { size = 1, modified = 0, text }]) => ({
        key,
        size,
        modified: text ?? serverText(modified),
      })),
      at,
      serverTime,
    );
  }

  take(items: ListedBackup[], at: number, serverTime: number | null = at): Fact[] {
    const observed: ObservedState = { lookedAt: this.lookedAt, tracked: this.tracked };
    const result = diff(observed, { items, serverTime }, at);
    for (const backup_ of result.upserts) this.tracked.set(backup_.key, backup_);
    for (const key of result.removed) this.tracked.delete(key);
    this.lookedAt = at;
    this.facts.push(...result.facts);
    this.last = result;
    return result.facts;
  }
}
