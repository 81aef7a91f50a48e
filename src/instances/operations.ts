import type { Clock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { type Random, randomBase62 } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { type Binding, hasExpired } from "../operations/approval.ts";
import { runCreate } from "../operations/create.ts";
import { runDelete } from "../operations/delete.ts";
import {
  type Ending,
  isFinal,
  type Operation,
  type OperationActor,
  type OperationKind,
  type RestoreData,
} from "../operations/operation.ts";
import type { Preview } from "../operations/preview.ts";
import { nextToRun, placeInQueue, queueRefusal } from "../operations/queue.ts";
import { leftCanary, runRestore } from "../operations/restore.ts";
import { applied, firstState, type OperationEvent } from "../operations/states.ts";
import { isWayBack, type Restore, UNDO_MS } from "../operations/undo.ts";
import { CANCELED, type Work } from "../operations/work.ts";
import type { Attributions, Deed } from "./attributions.ts";
import type { Page, PageRequest } from "./commands.ts";
import type { Ledger } from "./ledger.ts";
import { factActor, restoreAccepted, told } from "./operation-events.ts";

export type { Operation } from "../operations/operation.ts";
export type OperationFilter = { state: string | null; kind: string | null };

/** What the rest of the instance lends to a run; the operation's own row is added here. */
export type Lent = Omit<
  Work,
  "operation" | "step" | "keep" | "bind" | "intend" | "accepted" | "hush" | "clock" | "sleep"
>;

const runs: { [K in OperationKind]: (work: Work) => Promise<Ending> } = {
  create: runCreate,
  delete: runDelete,
  restore: runRestore,
};

/** What the observer will find when an operation did what it was to do. */
const DEEDS: { [K in OperationKind]?: Deed } = { create: "made", delete: "deleted" };

/** Finished rows that are kept; the oldest go first. */
const KEPT = 1_000;

type Effects = {
  storage: DurableObjectStorage;
  lent: () => Promise<Result<Lent, Problem>>;
  attributions: Attributions;
  ledger: Ledger;
  clock: Clock;
  random: Random;
  sleep: (ms: number) => Promise<void>;
  /** Keeps the object alive while a run is detached from any request. */
  detach: (run: Promise<void>) => void;
  /** Called when a run ended: what the server holds may be another. */
  changed: (operation: Operation) => void;
};

export type Request = {
  kind: OperationKind;
  target: Operation["target"];
  actor: OperationActor;
  /** Null: nobody has to agree. */
  approval: { expires: number; binding: Binding } | null;
  restore: Pick<RestoreData, "safetyBackup" | "safetyKey" | "undoes"> | null;
  preview?: Preview | null;
};

/**
 * The rows that own long upstream calls, and the runs that work on them. At most one runs at a time, the others wait in
 * order; a row is written before anything is sent, so that after a kill `resume` goes on at the step that was not done.
 */
export class Operations {
  private readonly sql: SqlStorage;
  private readonly effects: Effects;
  private readonly running = new Map<string, Promise<void>>();
  /** When the newest one was asked for. */
  private latest = 0;
  /** Runs during which nothing else asks the server. */
  private readonly hushing = new Set<string>();
  private readonly waiting = new Map<string, Set<() => void>>();
  /** Asked for its times on every request, and so kept until a row is written. */
  private unfinished: readonly Operation[] | null = null;
  /** Ended restores whose canary may still be there; null when they are to be looked up. */
  private untidy: readonly Restore[] | null = null;

  constructor(effects: Effects) {
    this.effects = effects;
    this.sql = effects.storage.sql;
  }

  /** Those that have not ended, oldest first. */
  active(): Operation[] {
    return this.records("SELECT record FROM operations WHERE active = 1 ORDER BY id");
  }

  /** The one that has the server, or is next to have it; null when it is free. A deletion takes no lock there. */
  holder(): Operation | null {
    const holds = ({ kind, state }: Operation) => kind !== "delete" && (state === "running" || state === "queued");
    return this.active().find(holds) ?? null;
  }

  /** Restores young enough to be undone, whose safety backups must stay. */
  restores(): Restore[] {
    const since = operationId(this.effects.clock() - 2 * UNDO_MS, () => new Uint8Array(18));
    const recent = this.records("SELECT record FROM operations WHERE id > ? ORDER BY id", since);
    return recent
      .filter(({ kind }) => kind === "restore")
      .map((each) => ({ ...each, safety: each.restore?.safety ?? null }));
  }

  isWayBack(key: string): boolean {
    return isWayBack(this.restores(), key, this.effects.clock());
  }

  /** Writes the row; it runs when its turn has come. `queue_full` when too many wait. */
  request({ kind, target, actor, approval, restore, preview = null }: Request): Result<Operation, Problem> {
    const full = queueRefusal(this.active());
    if (full) return fail(full);
    // Ids sort in the order of asking, also within one millisecond.
    const at = Math.max(this.effects.clock(), this.latest + 1);
    this.latest = at;
    const operation: Operation = {
      id: operationId(at, this.effects.random),
      kind,
      state: firstState(approval !== null),
      target,
      steps: [],
      actor,
      requested: at,
      started: null,
      finished: null,
      error: null,
      result: null,
      approval: approval && { expires: approval.expires, decidedBy: null, decidedAt: null },
      binding: approval?.binding ?? null,
      preview,
      restore: restore && {
        ...restore,
        safety: null,
        nonce: randomBase62(this.effects.random, 16),
        canary: null,
        sentAt: null,
        bosbase: false,
        outcome: null,
      },
    };
    this.store(operation, approval ? "approval.requested" : null);
    this.resume();
    return ok(this.read(operation.id) ?? operation);
  }

  /** A decision or a cancellation. */
  apply(id: string, event: OperationEvent, decider: OperationActor | null = null): Result<Operation, Problem> {
    const operation = this.read(id);
    if (!operation) return fail(problem("operation_not_found"));
    const next = applied(operation, event);
    if (!next.ok) return next;
    const name = event.type === "granted" || event.type === "denied" || event.type === "expired" ? event.type : null;
    this.store(next.value, name && `approval.${name}`, decider);
    this.resume();
    return next;
  }

  /** Ends what was not approved in time, and starts what is next or was interrupted. */
  resume(): void {
    const now = this.effects.clock();
    for (const operation of this.active()) {
      if (hasExpired(operation, now)) this.apply(operation.id, { type: "expired", at: now });
      else if (operation.state === "running" && !this.running.has(operation.id)) this.run(operation);
    }
    const active = this.active();
    const line = active.filter(({ kind }) => kind !== "delete");
    for (const deletion of active.filter(({ kind, state }) => kind === "delete" && state === "queued"))
      this.begin(deletion);
    const next = nextToRun(line);
    if (next) this.begin(next);
  }

  private begin(next: Operation): void {
    const now = this.effects.clock();
    const started = applied(next, { type: "started", at: now });
    if (!started.ok) return;
    const deed = DEEDS[next.kind];
    if (deed)
      this.effects.attributions.intend(next.target.key, deed, { actor: factActor(next.actor), operation: next.id });
    this.store(started.value, null);
    this.run(started.value);
  }

  /** Whether the server is being worked on, or is about to be: what waits for an approval does not count. */
  get busy(): boolean {
    this.unfinished ??= this.active();
    return this.unfinished.some(({ state }) => state !== "awaiting_approval");
  }

  /** True while the server is to be asked for nothing that can wait. */
  get hushed(): boolean {
    return this.hushing.size > 0;
  }

  /** How many go before this one; null when it is not in line. A deletion waits for nobody. */
  place({ id }: Operation): number | null {
    this.unfinished ??= this.active();
    return placeInQueue(
      this.unfinished.filter(({ kind }) => kind !== "delete"),
      id,
    );
  }

  /** Removes canaries that could not be removed when their operations ended. */
  async tidy(api: Parameters<typeof leftCanary>[0]): Promise<void> {
    this.untidy ??= this.restores().filter((each) => isFinal(each) && !each.restore?.tidied);
    for (const each of this.untidy) {
      if (!(await leftCanary(api, each))) return;
      const { safety: _safety, ...operation } = each;
      this.store({ ...operation, restore: operation.restore && { ...operation.restore, tidied: true } }, null);
    }
    this.untidy = [];
  }

  /** When the next approval expires, ms since the epoch. */
  nextExpiry(): number | null {
    this.unfinished ??= this.active();
    const ends = this.unfinished.flatMap(({ state, approval }) =>
      state === "awaiting_approval" && approval ? [approval.expires] : [],
    );
    return ends.length > 0 ? Math.min(...ends) : null;
  }

  read(id: string): Operation | null {
    return this.records("SELECT record FROM operations WHERE id = ?", id)[0] ?? null;
  }

  /** Newest first; the cursor is the last id given out. */
  list(request: PageRequest & OperationFilter, visible: (operation: Operation) => boolean): Page<Operation> {
    const items: Operation[] = [];
    const rows = this.sql.exec<{ record: string }>(
      "SELECT record FROM operations WHERE id < ? ORDER BY id DESC",
      request.cursor ?? "op_~",
    );
    for (const row of rows) {
      const operation: Operation = JSON.parse(row.record);
      if (request.state && operation.state !== request.state) continue;
      if (request.kind && operation.kind !== request.kind) continue;
      if (!visible(operation)) continue;
      items.push(operation);
      if (items.length > request.limit) break;
    }
    const shown = items.slice(0, request.limit);
    return { items: shown, nextCursor: items.length > request.limit ? shown.at(-1)!.id : null };
  }

  /** The operation once it ended, or `until` is true of it, or after `seconds` at the latest. */
  async wait(
    id: string,
    seconds: number,
    until: (operation: Operation) => boolean = isFinal,
  ): Promise<Operation | null> {
    const end = this.effects.clock() + seconds * 1000;
    for (;;) {
      const operation = this.read(id);
      const left = end - this.effects.clock();
      if (!operation || isFinal(operation) || until(operation) || left <= 0) return operation;
      let wake = () => {};
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const waiters = this.waiting.get(id) ?? new Set();
      this.waiting.set(id, waiters.add(wake));
      await Promise.race([changed, this.effects.sleep(Math.min(left, 1_000))]);
      waiters.delete(wake);
    }
  }

  private run(operation: Operation): void {
    const run = this.drive(operation).finally(() => {
      this.running.delete(operation.id);
      this.hushing.delete(operation.id);
      if (this.read(operation.id)?.state !== "running") this.resume();
    });
    this.running.set(operation.id, run);
    this.effects.detach(run);
  }

  private async drive(operation: Operation): Promise<void> {
    const lent = await this.effects.lent();
    // Without a usable credential nothing can be sent or looked at; a row that has begun waits until there is one.
    if (!lent.ok && operation.steps.length > 0) return;
    const ending = lent.ok ? await this.ending(operation, lent.value) : failed(lent.error);
    if (ending === null) return;
    const ended = applied(operation, { type: "ended", ending, at: this.effects.clock() });
    if (!ended.ok) return;
    const deed = DEEDS[operation.kind];
    if (deed && ending.state === "failed") this.effects.attributions.withdraw(operation.target.key, deed);
    this.store(ended.value, "ended");
    this.untidy = null;
    this.effects.changed(ended.value);
    this.prune();
  }

  /** Null when the operation was canceled in the middle of its run. */
  private async ending(operation: Operation, lent: Lent): Promise<Ending | null> {
    try {
      return await runs[operation.kind](this.work(operation, lent));
    } catch (error) {
      if (error === CANCELED) {
        this.untidy = null;
        return null;
      }
      console.error("an operation's run broke off");
      return { state: "unknown", error: problem("internal") };
    }
  }

  /** `operation` is the run's own copy; whoever else changes the row (a cancellation) ends the run's turn by its state. */
  private work(operation: Operation, lent: Lent): Work {
    const write = () => {
      if (this.read(operation.id)?.state !== "running") throw CANCELED;
      this.store(operation, null);
    };
    return {
      ...lent,
      operation,
      clock: this.effects.clock,
      sleep: this.effects.sleep,
      step: (name, state, detail) => {
        const record = { name, state, at: this.effects.clock(), ...(detail ? { detail } : {}) };
        operation.steps = [...operation.steps.filter((step) => step.name !== name), record];
        write();
      },
      keep: (data) => {
        if (operation.restore) Object.assign(operation.restore, data);
        write();
      },
      bind: (binding, preview) => {
        operation.binding = binding;
        operation.preview = preview;
        operation.target = { key: binding.key, size: binding.size, modified: binding.modified };
        write();
      },
      intend: (key) =>
        this.effects.attributions.intend(key, "made", { actor: factActor(operation.actor), operation: operation.id }),
      hush: () => {
        this.hushing.add(operation.id);
      },
      accepted: () => this.effects.ledger.append([restoreAccepted(operation)]),
    };
  }

  /** The row and what it has to tell, in one transaction. */
  private store(operation: Operation, tell: Parameters<typeof told>[1], decider: OperationActor | null = null): void {
    this.unfinished = null;
    this.effects.storage.transactionSync(() => {
      this.sql.exec(
        "INSERT OR REPLACE INTO operations (id, active, record) VALUES (?, ?, ?)",
        operation.id,
        isFinal(operation) ? 0 : 1,
        JSON.stringify(operation),
      );
      this.effects.ledger.append(told(operation, tell, decider));
    });
    for (const wake of this.waiting.get(operation.id) ?? []) wake();
  }

  private records(query: string, ...bindings: string[]): Operation[] {
    return this.sql
      .exec<{ record: string }>(query, ...bindings)
      .toArray()
      .map((row) => JSON.parse(row.record));
  }

  private prune(): void {
    this.sql.exec(
      "DELETE FROM operations WHERE active = 0 AND id < (SELECT id FROM operations ORDER BY id DESC LIMIT 1 OFFSET ?)",
      KEPT,
    );
  }
}

const failed = (error: Problem): Ending => ({ state: "failed", error });

/** Nine base36 digits of milliseconds sort by time until the year 5188; the random rest keeps two of one moment apart. */
const operationId = (at: number, random: Random): string =>
  `op_${at.toString(36).padStart(9, "0")}${randomBase62(random, 10)}`;
