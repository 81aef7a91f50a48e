import type { Clock } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import { problem } from "../base/problem.ts";
import { type Random, randomBase62 } from "../base/random.ts";
import type { Result } from "../base/result.ts";
import type { Actor } from "../ledger/catalogue/shapes.ts";
import { faultOf } from "../observing/reachability.ts";
import { runCreate } from "../operations/create.ts";
import { runDelete } from "../operations/delete.ts";
import {
  type Ending,
  isFinal,
  type Operation,
  type OperationActor,
  type OperationKind,
} from "../operations/operation.ts";
import { runRestore } from "../operations/restore.ts";
import { type Work, wasSent } from "../operations/work.ts";
import type { Attributions, Deed } from "./attributions.ts";
import type { Page, PageRequest } from "./commands.ts";
import type { Ledger } from "./ledger.ts";

export type { Operation } from "../operations/operation.ts";
export type OperationFilter = { state: string | null; kind: string | null };

const runs: { [K in OperationKind]: (work: Work) => Promise<Ending> } = {
  create: runCreate,
  delete: runDelete,
  restore: runRestore,
};

/** What the observer will find when an operation did what it was to do. */
const DEEDS: { [K in OperationKind]?: Deed } = { create: "made", delete: "deleted" };

const factActor = ({ kind, id, name }: OperationActor): Actor => ({
  kind,
  ...(id ? { id } : {}),
  ...(name ? { name } : {}),
});

/** Finished rows that are kept; the oldest go first. */
const KEPT = 1_000;

type Effects = {
  /** What a run may use, but for the operation and its steps. */
  work: () => Promise<Result<Pick<Work, "api" | "look">, Problem>>;
  clock: Clock;
  random: Random;
  sleep: (ms: number) => Promise<void>;
  /** Keeps the object alive while a run is detached from any request. */
  detach: (run: Promise<void>) => void;
  attributions: Attributions;
  ledger: Ledger;
  /** Called when a row changed what the server may hold. */
  changed: (operation: Operation) => void;
};

/**
 * The rows that own long upstream calls, and the runs that work on them. At most one runs at a time; a row is written
 * before anything is sent, so that after a kill `resume` finds it and looks instead of sending again.
 */
export class Operations {
  private readonly sql: SqlStorage;
  private readonly effects: Effects;
  private readonly running = new Map<string, Promise<void>>();
  private readonly waiting = new Map<string, Set<() => void>>();

  constructor(sql: SqlStorage, effects: Effects) {
    this.sql = sql;
    this.effects = effects;
  }

  /** The one operation that holds the server, deletes aside; null when it is free. */
  holder(): Operation | null {
    return this.active().find((operation) => operation.kind !== "delete") ?? null;
  }

  active(): Operation[] {
    return this.sql
      .exec<{ record: string }>("SELECT record FROM operations WHERE active = 1 ORDER BY id")
      .toArray()
      .map((row) => JSON.parse(row.record));
  }

  /** Writes the row and starts the run. */
  start(kind: OperationKind, target: Operation["target"], actor: OperationActor): Operation {
    const at = this.effects.clock();
    const operation: Operation = {
      id: operationId(at, this.effects.random),
      kind,
      state: "running",
      target,
      steps: [],
      actor,
      requested: at,
      started: at,
      finished: null,
      error: null,
      result: null,
      approval: null,
    };
    const deed = DEEDS[kind];
    if (deed) this.effects.attributions.intend(target.key, deed, { actor: factActor(actor), operation: operation.id });
    this.write(operation);
    this.run(operation);
    return operation;
  }

  /** Starts the runs of rows that have none: after a kill, an eviction, or a run that ended without an end. */
  resume(): void {
    for (const operation of this.active()) if (!this.running.has(operation.id)) this.run(operation);
  }

  read(id: string): Operation | null {
    const row = this.sql.exec<{ record: string }>("SELECT record FROM operations WHERE id = ?", id).toArray()[0];
    return row ? JSON.parse(row.record) : null;
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

  /** The operation as it is when it ends, or after `seconds` at the latest. */
  async wait(id: string, seconds: number): Promise<Operation | null> {
    const until = this.effects.clock() + seconds * 1000;
    for (;;) {
      const operation = this.read(id);
      const left = until - this.effects.clock();
      if (!operation || isFinal(operation) || left <= 0) return operation;
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
    const run = this.drive(operation).finally(() => this.running.delete(operation.id));
    this.running.set(operation.id, run);
    this.effects.detach(run);
  }

  private async drive(operation: Operation): Promise<void> {
    const work = await this.effects.work();
    // Without a usable credential nothing can be sent or looked at; the row stays and is resumed when there is one.
    if (!work.ok && operation.steps.length > 0) return;
    const ending: Ending = work.ok
      ? await runs[operation.kind]({
          ...work.value,
          operation,
          clock: this.effects.clock,
          sleep: this.effects.sleep,
          step: (name, state, detail) => {
            const at = this.effects.clock();
            const others = operation.steps.filter((step) => step.name !== name);
            operation.steps = [...others, { name, state, at, ...(detail ? { detail } : {}) }];
            this.write(operation);
          },
        }).catch((): Ending => ({ state: "unknown", error: problem("internal") }))
      : { state: "failed", error: work.error };
    operation.state = ending.state;
    operation.finished = this.effects.clock();
    operation.result = ending.result ?? null;
    operation.error = ending.state === "succeeded" ? null : ending.error;
    this.finish(operation);
    this.effects.changed(operation);
    this.prune();
    for (const wake of this.waiting.get(operation.id) ?? []) wake();
    this.waiting.delete(operation.id);
  }

  /** The observer announces what came of it; only that nothing came of it is for us to say. */
  private finish(operation: Operation): void {
    const { attributions, ledger } = this.effects;
    const deed = DEEDS[operation.kind];
    this.write(operation);
    if (operation.state !== "failed" || !operation.error) return;
    if (deed) attributions.withdraw(operation.target.key, deed);
    // A name that was refused from the start is the caller's mistake and no failure of backups.
    if (operation.kind !== "create" || !wasSent(operation)) return;
    ledger.append([
      {
        type: "backup.failed",
        data: {
          name: operation.target.key,
          cause: "request",
          error: faultOf(operation.error),
          operation: operation.id,
          actor: factActor(operation.actor),
        },
      },
    ]);
  }

  private write(operation: Operation): void {
    this.sql.exec(
      "INSERT OR REPLACE INTO operations (id, active, record) VALUES (?, ?, ?)",
      operation.id,
      isFinal(operation) ? 0 : 1,
      JSON.stringify(operation),
    );
  }

  private prune(): void {
    this.sql.exec(
      "DELETE FROM operations WHERE active = 0 AND id < (SELECT id FROM operations ORDER BY id DESC LIMIT 1 OFFSET ?)",
      KEPT,
    );
  }
}

/** Nine base36 digits of milliseconds sort by time until the year 5188; the random rest keeps two of one moment apart. */
const operationId = (at: number, random: Random): string =>
  `op_${at.toString(36).padStart(9, "0")}${randomBase62(random, 10)}`;
