import type { Clock } from "../../base/clock.ts";
import { isoTime } from "../../base/clock.ts";
import type { Problem } from "../../base/problem.ts";
import type { Actor, BackupFact } from "../../ledger/catalogue/shapes.ts";
import type { EventDraft } from "../../ledger/event.ts";
import { diff } from "../../observing/diff.ts";
import type { Expectation } from "../../observing/expectation.ts";
import { dueAt, type Overdue, overdue, recovered } from "../../observing/overdue.ts";
import { lookFailed, lookSucceeded, REACHABLE, type Reachability } from "../../observing/reachability.ts";
import { statsOf } from "../../observing/stats.ts";
import type { Fact, FileVersion, TrackedBackup } from "../../observing/tracked-backup.ts";
import type { Listing } from "../../upstream/backups-api.ts";
import type { ExpectedChanges } from "../ledger/expected-changes.ts";
import type { Ledger } from "../ledger/store.ts";
import type { Verifications } from "./verifications.ts";

/** A look that left something open is repeated after this. */
const AGAIN_MS = 5_000;

/** A look that found nothing new is written down at most this often. */
const IDLE_WRITE_MS = 15 * 60_000;

/** One row: what the observer stores besides the tracked backups. */
type ObserverState = {
  lookedAt: number | null;
  reach: Reachability;
  overdue: Overdue;
  /** When the expectation was stated: until the first backup it is counted from there. */
  expectedSince: number | null;
  /** How far the server's clock was ahead of ours at the last list. */
  skewMs?: number;
  /** The last row of the server's log that became an event, ms by the server's clock; null before the first list. */
  cronFailuresUntil: number | null;
};

type Deps = {
  storage: DurableObjectStorage;
  clock: Clock;
  ledger: Ledger;
  expected: ExpectedChanges;
  verifications: Verifications;
  expectation: () => Expectation | null;
  verifies: () => boolean;
};

/**
 * Turns lists into facts. Every list that passes is taken, whoever asked for it; the difference to what is remembered
 * and the events it makes are stored in one transaction, so that each fact is announced exactly once.
 */
export class Observer {
  private readonly deps: Deps;
  private readonly tracked = new Map<string, TrackedBackup>();
  private state: ObserverState;
  private again = false;
  /** When a look failed last. */
  private failedAt = 0;
  /** When the row was last written: a look that changed nothing is not written each time. */
  private writtenAt = 0;

  constructor(deps: Deps) {
    this.deps = deps;
    this.state = this.load();
  }

  get lookedAt(): number | null {
    return this.state.lookedAt;
  }

  /** When the next look is due, `pollMs` being the usual distance. */
  nextLook(pollMs: number): number {
    const last = Math.max(this.state.lookedAt ?? 0, this.failedAt);
    const usual = last + (this.again ? Math.min(AGAIN_MS, pollMs) : pollMs);
    const expect = this.deps.expectation();
    if (!expect || this.state.overdue) return usual;
    // A missing backup is announced when it is due, not up to a poll interval later.
    const due = dueAt(expect, this.newestAt() ?? this.state.expectedSince ?? last);
    return due > last ? Math.min(usual, due) : usual;
  }

  firstSeen(key: string): number | null {
    return this.tracked.get(key)?.firstSeen ?? null;
  }

  /** Null: not known yet from which time on a row of the server's log is new. */
  get cronFailuresUntil(): number | null {
    return this.state.cronFailuresUntil;
  }

  /** A list that began at `began`. One that began before the last one taken is ignored. */
  take(listing: Listing, began: number): void {
    if (began < (this.state.lookedAt ?? 0)) return;
    const { clock, ledger } = this.deps;
    const found = diff({ lookedAt: this.state.lookedAt, tracked: this.tracked }, listing, began);
    const { reach, lookedAt } = this.state;
    this.state = { ...this.state, skewMs: listing.serverTime === null ? 0 : listing.serverTime - began };
    const idle = found.upserts.length === 0 && found.removed.length === 0;
    const news = lookedAt === null || reach.failingSince !== null || reach.announced !== "reachable";
    this.again = found.lookAgain;
    if (idle && !news && clock() - this.writtenAt < IDLE_WRITE_MS && this.judgeOverdue().drafts.length === 0) {
      this.state = { ...this.state, lookedAt: began };
      return;
    }
    this.commit(() => {
      for (const backup of found.upserts) this.remember(backup);
      for (const key of found.removed) this.forget(key);
      const reached = lookSucceeded(this.state.reach, clock());
      ledger.append([...reached.drafts, ...this.eventsOf(found.facts)]);
      const due = this.judgeOverdue();
      ledger.append(due.drafts);
      return {
        ...this.state,
        lookedAt: Math.max(began, lookedAt ?? 0),
        reach: reached.after,
        overdue: due.after,
        expectedSince: this.expectedSince(),
        cronFailuresUntil: this.state.cronFailuresUntil ?? listing.serverTime,
      };
    });
  }

  /** A look that got no list. Not to be called while an operation watches the server. */
  failed(failure: { problem: Problem; unauthorized: boolean }): void {
    const { clock, ledger } = this.deps;
    this.failedAt = clock();
    this.commit(() => {
      const { after, drafts } = lookFailed(this.state.reach, failure, clock());
      const due = this.judgeOverdue();
      ledger.append([...drafts, ...due.drafts]);
      return { ...this.state, reach: after, overdue: due.after, expectedSince: this.expectedSince() };
    });
  }

  /** Failures of the server's own cron, oldest first, from its log. */
  cronFailed(failures: { name: string; at: number; message: string }[]): void {
    const news = failures.filter(({ at }) => at > (this.state.cronFailuresUntil ?? Number.POSITIVE_INFINITY));
    if (news.length === 0) return;
    this.commit(() => {
      this.deps.ledger.append(
        news.map(({ name, message }) => ({
          type: "backup.failed",
          data: { name, cause: "cron", error: { code: "cron_failed", message }, actor: { kind: "upstream" } },
        })),
      );
      return { ...this.state, cronFailuresUntil: Math.max(...news.map(({ at }) => at)) };
    });
  }

  /** The expectation was set, changed or removed. */
  expect(expectation: Expectation | null): void {
    this.commit(() => ({ ...this.state, overdue: null, expectedSince: expectation ? this.deps.clock() : null }));
  }

  private eventsOf(facts: Fact[]): EventDraft[] {
    if (facts.length === 0) return [];
    const stats = statsOf(this.listed());
    return facts.map((fact) => this.draft(fact, stats));
  }

  private draft(fact: Fact, stats: ReturnType<typeof statsOf>): EventDraft {
    if (fact.kind === "store_changed") {
      const { kind: _kind, ...counts } = fact;
      this.deps.verifications.forgetAllBut((key) => this.tracked.has(key));
      return { type: "instance.store_changed", data: { ...counts, actor: { kind: "upstream" } } };
    }
    if (fact.kind === "ambiguous") {
      const [first, ...others] = fact.versions.map((version) => backupFact(fact.key, version));
      return { type: "backup.ambiguous", data: { backup: first!, others, actor: { kind: "upstream" } } };
    }
    const { key, version } = fact;
    const change = this.deps.expected.consume(key, fact.kind === "deleted" ? "deleted" : "made");
    const actor: Actor = change?.actor ?? { kind: "upstream" };
    const data = {
      backup: backupFact(key, version),
      actor,
      ...(change?.operation ? { operation: change.operation } : {}),
      stats: stats({ key, ...version }),
    };
    if (fact.kind === "deleted") {
      this.deps.verifications.forget(key);
      const reason = change ? "request" : fact.pruned ? "pruned_upstream" : "unknown";
      return { type: "backup.deleted", data: { ...data, reason } };
    }
    if (this.deps.verifies()) this.deps.verifications.await(key, version, data.stats.medianSize);
    if (fact.kind === "created") return { type: "backup.created", data };
    return { type: "backup.changed", data: { ...data, previous: backupFact(key, fact.previous) } };
  }

  /** An expectation set at registration counts from the first look. */
  private expectedSince(): number | null {
    return this.deps.expectation() ? (this.state.expectedSince ?? this.deps.clock()) : null;
  }

  /** By the relay's clock, because the server's may be ahead or behind. */
  private judgeOverdue(): { after: Overdue; drafts: EventDraft[] } {
    const expect = this.deps.expectation();
    if (!expect) return { after: null, drafts: [] };
    const at = this.deps.clock();
    const newest = this.newest();
    const made = newest && { backup: backupFact(newest.key, newest), at: this.newestAt()! };
    const { overdue: before } = this.state;
    // A backup that came after the announcement, or one that makes the next due later than now, ends it.
    if (before && made && (made.at > before.announcedAt || dueAt(expect, made.at) > at))
      return recovered(before, made.backup, at);
    return overdue(expect, before, made, this.expectedSince() ?? at, at);
  }

  /** When the newest backup was made, by the relay's clock. */
  private newestAt(): number | null {
    const newest = this.newest();
    if (!newest) return null;
    return newest.modified === null ? newest.firstSeen : newest.modified - (this.state.skewMs ?? 0);
  }

  private listed(): (FileVersion & { key: string; firstSeen: number })[] {
    return [...this.tracked.values()].flatMap(({ key, firstSeen, announced }) =>
      announced ? [{ key, firstSeen, ...announced }] : [],
    );
  }

  private newest() {
    return this.listed().reduce<ReturnType<Observer["listed"]>[number] | null>(
      (best, each) => ((each.modified ?? each.firstSeen) > (best?.modified ?? best?.firstSeen ?? 0) ? each : best),
      null,
    );
  }

  /** After a failure memory is read again from what is stored. */
  private commit(change: () => ObserverState): void {
    const { storage, ledger, clock } = this.deps;
    try {
      this.state = storage.transactionSync(() => {
        const state = change();
        storage.sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('observer', ?)", JSON.stringify(state));
        return state;
      });
      this.writtenAt = clock();
    } catch (error) {
      ledger.forget();
      this.state = this.load();
      throw error;
    }
  }

  private load(): ObserverState {
    const { sql } = this.deps.storage;
    this.tracked.clear();
    for (const row of sql.exec<{ record: string }>("SELECT record FROM tracked_backups")) {
      const backup: TrackedBackup = JSON.parse(row.record);
      this.tracked.set(backup.key, backup);
    }
    const [row] = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'observer'").toArray();
    if (row) return JSON.parse(row.value);
    return { lookedAt: null, reach: REACHABLE, overdue: null, expectedSince: null, cronFailuresUntil: null };
  }

  private remember(backup: TrackedBackup): void {
    this.tracked.set(backup.key, backup);
    this.deps.storage.sql.exec(
      "INSERT OR REPLACE INTO tracked_backups (key, record) VALUES (?, ?)",
      backup.key,
      JSON.stringify(backup),
    );
  }

  private forget(key: string): void {
    this.tracked.delete(key);
    this.deps.storage.sql.exec("DELETE FROM tracked_backups WHERE key = ?", key);
  }
}

const backupFact = (key: string, { size, modified }: FileVersion): BackupFact => ({
  key,
  size,
  modified: modified === null ? null : isoTime(modified),
});
