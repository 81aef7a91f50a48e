import { type Clock, isWithin, pastOrUnknown } from "../../base/clock.ts";
import type { Problem } from "../../base/problem.ts";
import type { Actor, Stats } from "../../ledger/catalogue/shapes.ts";
import type { EventDraft } from "../../ledger/event.ts";
import { backupFact } from "../../observing/backup-fact.ts";
import { diff } from "../../observing/diff.ts";
import type { Expectation } from "../../observing/expectation.ts";
import { clockSkew } from "../../observing/made-at.ts";
import { dueAt, type Overdue, overdue, recovered } from "../../observing/overdue.ts";
import {
  type LastRestore,
  lookFailed,
  lookSucceeded,
  REACHABLE,
  type Reachability,
} from "../../observing/reachability.ts";
import { statsOf } from "../../observing/stats.ts";
import type { Fact } from "../../observing/tracked-backup.ts";
import type { Listing } from "../../upstream/backups-api.ts";
import type { Cause } from "../../upstream/server-cause.ts";
import type { ExpectedChanges } from "../ledger/expected-changes.ts";
import type { Ledger } from "../ledger/store.ts";
import type { Judge, Version } from "./judge.ts";
import type { TrackedBackups } from "./tracked-backups.ts";
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
  tracked: TrackedBackups;
  judge: Judge;
  verifications: Verifications;
  expectation: () => Expectation | null;
  verifies: () => boolean;
  /** The newest restore that was sent since then; null when there was none. */
  lastRestore: (since: number | null) => LastRestore | null;
};

/**
 * Turns lists into facts. Every list that passes is taken, whoever asked for it; the difference to what is remembered
 * and the events it makes are stored in one transaction, so that each fact is announced exactly once.
 */
export class Observer {
  private readonly deps: Deps;
  private state: ObserverState;
  private again = false;
  /** When the newest backup was made; undefined when it is to be found out. */
  private newestAt: number | null | undefined;
  /** When a look failed last. */
  private failedAt = 0;
  /** When the row was last written: a look that changed nothing is not written each time. */
  private writtenAt = 0;

  constructor(deps: Deps) {
    this.deps = deps;
    this.state = this.load();
  }

  /** When the last list was taken; null when there was none, or when it is not known since a clock ran ahead. */
  get lookedAt(): number | null {
    return pastOrUnknown(this.state.lookedAt, this.deps.clock());
  }

  /** When the next look is due, `pollMs` being the usual distance. */
  nextLook(pollMs: number): number {
    const last = Math.max(this.lookedAt ?? 0, pastOrUnknown(this.failedAt, this.deps.clock()) ?? 0);
    const usual = last + (this.again ? Math.min(AGAIN_MS, pollMs) : pollMs);
    const expect = this.deps.expectation();
    if (!expect || this.state.overdue) return usual;
    if (this.newestAt === undefined) this.newestAt = this.deps.judge.newestTold()?.madeAt.at ?? null;
    // A missing backup is announced when it is due, not up to a poll interval later.
    const due = dueAt(expect, this.newestAt ?? this.expectedSince() ?? last);
    return due > last ? Math.min(usual, due) : usual;
  }

  firstSeen(key: string): number | null {
    return pastOrUnknown(this.deps.tracked.byKey.get(key)?.firstSeen ?? null, this.deps.clock());
  }

  /** How far the server's clock was ahead at the last list, ms. */
  get skewMs(): number {
    return this.state.skewMs ?? 0;
  }

  /** Null: not known yet from which time on a row of the server's log is new. */
  get cronFailuresUntil(): number | null {
    return this.state.cronFailuresUntil;
  }

  /** A list that began at `began`. One that began before the last one taken is ignored. */
  take(listing: Listing, began: number): void {
    const { clock, ledger, tracked } = this.deps;
    const last = this.state.lookedAt;
    // One that is dated later than now was not taken later: a clock ran ahead.
    if (last !== null && last <= clock() && began < last) return;
    const lookedAt = last === null ? null : Math.min(last, began);
    const found = diff({ lookedAt, tracked: tracked.byKey }, listing, began);
    const { reach } = this.state;
    const cronFailuresUntil = this.cronFailuresKnown(listing.serverTime);
    this.state = { ...this.state, skewMs: clockSkew(listing.serverTime, began) };
    const redated = tracked.datedAhead(began);
    const idle = [found.upserts, found.removed, redated].every(({ length }) => length === 0);
    const cronNews = cronFailuresUntil !== this.state.cronFailuresUntil;
    const news = lookedAt === null || reach.failingSince !== null || reach.announced !== "reachable" || cronNews;
    this.again = found.lookAgain;
    if (idle && !news && isWithin(this.writtenAt, IDLE_WRITE_MS, clock()) && this.judgeOverdue().drafts.length === 0) {
      this.state = { ...this.state, lookedAt: began };
      return;
    }
    this.commit(() => {
      for (const backup of [...redated, ...found.upserts]) tracked.see(backup, began, this.skewMs);
      for (const key of found.removed) tracked.forget(key);
      const reached = lookSucceeded(this.state.reach, clock());
      ledger.append([...reached.drafts, ...this.eventsOf(found.facts)]);
      const due = this.judgeOverdue();
      ledger.append(due.drafts);
      return {
        ...this.state,
        lookedAt: began,
        reach: reached.after,
        overdue: due.after,
        expectedSince: this.expectedSince(),
        cronFailuresUntil,
      };
    });
  }

  /** A look that got no list. Not to be called while an operation watches the server. */
  failed(failure: { problem: Problem; unauthorized: boolean }): void {
    const { clock, ledger } = this.deps;
    this.failedAt = clock();
    this.commit(() => {
      const restore = () => this.deps.lastRestore(this.lookedAt);
      const { after, drafts } = lookFailed(this.state.reach, failure, clock(), restore);
      const due = this.judgeOverdue();
      ledger.append([...drafts, ...due.drafts]);
      return { ...this.state, reach: after, overdue: due.after, expectedSince: this.expectedSince() };
    });
  }

  /** Failures of the server's own cron, oldest first, from its log. */
  cronFailed(failures: { name: string; at: number; cause: Cause }[]): void {
    const until = this.state.cronFailuresUntil ?? Number.POSITIVE_INFINITY;
    // A row to come was written while the server's clock ran ahead, and told then.
    const serverNow = this.deps.clock() + this.skewMs;
    const news = failures.filter(({ at }) => at > until && pastOrUnknown(at, serverNow) !== null);
    if (news.length === 0) return;
    this.commit(() => {
      this.deps.ledger.append(
        news.map(({ name, cause: { message, hint } }) => ({
          type: "backup.failed",
          data: { name, cause: "cron", error: { code: "cron_failed", message, hint }, actor: { kind: "upstream" } },
        })),
      );
      return { ...this.state, cronFailuresUntil: Math.max(...news.map(({ at }) => at)) };
    });
  }

  /** The expectation was set, changed or removed. */
  expect(expectation: Expectation | null): void {
    this.commit(() => ({ ...this.state, overdue: null, expectedSince: expectation ? this.deps.clock() : null }));
  }

  /** What was found in a backup may change which is the newest. */
  judgeAgain(): void {
    this.newestAt = undefined;
    const { after, drafts } = this.judgeOverdue();
    if (drafts.length === 0) return;
    this.commit(() => {
      this.deps.ledger.append(drafts);
      return { ...this.state, overdue: after };
    });
  }

  private eventsOf(facts: Fact[]): EventDraft[] {
    if (facts.length === 0) return [];
    const { tracked, judge } = this.deps;
    const dated = (version: Version) => ({ ...version, modified: judge.latestAt(version) });
    const stats = statsOf(tracked.announced().map(dated));
    return facts.map((fact) => this.draft(fact, (version) => stats(dated(version))));
  }

  private draft(fact: Fact, stats: (version: Version) => Stats): EventDraft {
    const { tracked, judge, expected, verifications } = this.deps;
    if (fact.kind === "store_changed") {
      const { kind: _kind, ...counts } = fact;
      verifications.forgetAllBut((key) => tracked.byKey.has(key));
      return { type: "instance.store_changed", data: { ...counts, actor: { kind: "upstream" } } };
    }
    if (fact.kind === "ambiguous") {
      const [first, ...others] = fact.versions.map((version) => backupFact({ key: fact.key, ...version }));
      return { type: "backup.ambiguous", data: { backup: first!, others, actor: { kind: "upstream" } } };
    }
    const { key, version } = fact;
    const change = expected.consume(key, fact.kind === "deleted" ? "deleted" : "made");
    const actor: Actor = change?.actor ?? { kind: "upstream" };
    if (change && fact.kind !== "deleted") tracked.arrived(key, version, change.operation ? "relay" : "upload");
    const named = { key, ...version };
    const data = {
      backup: backupFact(named, judge.of(named)),
      actor,
      ...(change?.operation ? { operation: change.operation } : {}),
      stats: stats(named),
    };
    if (fact.kind === "deleted") {
      verifications.forget(key);
      const reason = change ? "request" : fact.pruned ? "pruned_upstream" : "unknown";
      return { type: "backup.deleted", data: { ...data, reason } };
    }
    const verified = this.deps.verifies() ? "pending" : "no";
    if (verified === "pending") verifications.await(key, version, data.stats.medianSize);
    if (fact.kind === "created") return { type: "backup.created", data: { ...data, verified } };
    return { type: "backup.changed", data: { ...data, verified, previous: backupFact({ key, ...fact.previous }) } };
  }

  /** A row's time is by the server's clock, whose `Date` is in whole seconds; one to come was written while that ran ahead. */
  private cronFailuresKnown(serverTime: number | null): number | null {
    const { cronFailuresUntil: until } = this.state;
    if (serverTime === null) return until;
    return until === null || pastOrUnknown(until, serverTime) === null ? serverTime : until;
  }

  /** An expectation set at registration counts from the first look. */
  private expectedSince(): number | null {
    const now = this.deps.clock();
    return this.deps.expectation() ? (pastOrUnknown(this.state.expectedSince, now) ?? now) : null;
  }

  /**
   * A backup that came after the announcement, or one that makes the next due later than now, ends it, once it was looked
   * into: a worthless one must not be good news first.
   */
  private judgeOverdue(): { after: Overdue; drafts: EventDraft[] } {
    const expect = this.deps.expectation();
    if (!expect) return { after: null, drafts: [] };
    const at = this.deps.clock();
    const { overdue: before } = this.state;
    const newest = this.deps.judge.newestTold();
    const made = newest && { backup: backupFact(newest, newest), at: newest.madeAt.at };
    if (
      before &&
      made &&
      newest.verified !== "pending" &&
      (made.at > before.announcedAt || dueAt(expect, made.at) > at)
    )
      return recovered(before, made.backup, at);
    return overdue(expect, before, made, this.expectedSince() ?? at, at);
  }

  /** After a failure memory is read again from what is stored. */
  private commit(change: () => ObserverState): void {
    const { storage, ledger, tracked, clock } = this.deps;
    this.newestAt = undefined;
    try {
      this.state = storage.transactionSync(() => {
        const state = change();
        storage.sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('observer', ?)", JSON.stringify(state));
        return state;
      });
      this.writtenAt = clock();
    } catch (error) {
      ledger.forget();
      tracked.load();
      this.state = this.load();
      throw error;
    }
  }

  private load(): ObserverState {
    const { sql } = this.deps.storage;
    const [row] = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'observer'").toArray();
    if (row) return JSON.parse(row.value);
    return { lookedAt: null, reach: REACHABLE, overdue: null, expectedSince: null, cronFailuresUntil: null };
  }
}
