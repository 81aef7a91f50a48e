import type { QuotaUse } from "../../access/decision.ts";
import { type Clock, dueWithin } from "../../base/clock.ts";
import { type Problem, problem } from "../../base/problem.ts";
import type { Random } from "../../base/random.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { hasExpired } from "../../operations/approval.ts";
import { needsServer, type OperationKinds } from "../../operations/kind.ts";
import { type Binding, type Ending, isFinal, type Operation, type OperationActor } from "../../operations/operation.ts";
import type { Preview } from "../../operations/preview.ts";
import { nextToRun, queueRefusal } from "../../operations/queue.ts";
import { applied, firstState, type OperationEvent } from "../../operations/states.ts";
import { CANCELED, type Work, wasSent } from "../../operations/work.ts";
import type { MayUse } from "../claims.ts";
import type { ExpectedChanges } from "../ledger/expected-changes.ts";
import type { Ledger } from "../ledger/store.ts";
import { eventsOf, factActor, occasionOf } from "./events.ts";
import type { OperationStore } from "./store.ts";

/** What a run gets from the rest of the instance; the operation's own row is added here. */
export type RunDependencies = Omit<
  Work,
  "operation" | "may" | "step" | "keep" | "bind" | "expect" | "accepted" | "pausePolling" | "clock" | "sleep"
>;

/** How often a run that could not go on is started again, ms. */
const RESUME_MS = 2_000;

type Effects = {
  kinds: OperationKinds;
  mayUse: MayUse;
  /** Why the key that asked may not have it any more, or null. */
  requesterRefusal: (operation: Operation) => Problem | null;
  /** Takes back what was counted for a request of which nothing was sent. */
  giveBack: (use: QuotaUse) => void;
  runDependencies: () => Promise<Result<RunDependencies, Problem>>;
  expected: ExpectedChanges;
  ledger: Ledger;
  clock: Clock;
  random: Random;
  sleep: (ms: number) => Promise<void>;
  /** Keeps the object alive while a run is detached from any request. */
  detach: (run: Promise<void>) => void;
  /** Called when a run ended, with the change it was to make: what the server lists may be another. */
  ended: (operation: Operation, change: "made" | "deleted" | null) => void;
};

export type OperationRequest = {
  kind: string;
  target: Operation["target"];
  actor: OperationActor;
  admitted?: Operation["admitted"];
  /** Null when nobody has to approve it. */
  approval: { expires: number; binding: Binding } | null;
  /** What its kind makes its data from. */
  input?: object;
  preview?: Preview | null;
};

/**
 * The rows that own long upstream calls, and the runs that work on them. Of those that need the server's lock one runs at
 * a time and the others wait in order; the rest start at once. A row is written before anything is sent, so that after a
 * kill `resume` goes on at the step that was not done.
 */
export class Operations {
  /** The stored operations. */
  readonly rows: OperationStore;
  private readonly effects: Effects;
  private readonly running = new Map<string, Promise<void>>();
  private closed = false;
  /** Ids of runs during which the server is not polled. */
  private readonly pausing = new Set<string>();
  /** Ended operations that may have left something on the server; null when they are to be looked up. */
  private toCleanUp: readonly Operation[] | null = null;
  /** When `resume` ran last, ms since the epoch. */
  private resumedAt = 0;

  constructor(rows: OperationStore, effects: Effects) {
    this.rows = rows;
    this.effects = effects;
  }

  /** Writes the row; it runs when its turn has come. Refused when others hold its target, or too many wait. */
  request({
    kind,
    target,
    actor,
    admitted,
    approval,
    input,
    preview = null,
  }: OperationRequest): Result<Operation, Problem> {
    const refused = this.effects.mayUse(kind, target.key) ?? queueRefusal(this.rows.active(), { kind, actor });
    if (refused) return fail(refused);
    const { id, at } = this.rows.next();
    const operation: Operation = {
      id,
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
      ...(admitted ? { admitted } : {}),
      data: this.effects.kinds[kind]?.data(input, { now: at, random: this.effects.random }) ?? null,
    };
    this.rows.write(operation, approval ? "approval.requested" : null);
    this.resume();
    return ok(this.rows.read(operation.id) ?? operation);
  }

  /**
   * A decision or a cancellation. An approval is refused, and changes nothing, while others hold the target, or when the key
   * that asked may not have it any more.
   */
  apply(id: string, event: OperationEvent, decider: OperationActor | null = null): Result<Operation, Problem> {
    const operation = this.rows.read(id);
    if (!operation) return fail(problem("operation_not_found"));
    const next = applied(operation, event);
    if (!next.ok) return next;
    const refused =
      event.type === "granted"
        ? (this.effects.requesterRefusal(operation) ?? this.effects.mayUse(operation.kind, operation.target.key, id))
        : null;
    if (refused) return fail(refused);
    if (next.value.state !== operation.state) {
      this.rows.write(next.value, occasionOf(event), decider);
      this.settleQuota(next.value);
    }
    this.resume();
    return next;
  }

  /** When `resume` is needed next, ms since the epoch: for an operation that nothing works on, an approval that expires. */
  due(now: number): number {
    const idle = this.rows.active().some(({ id, state }) => state !== "awaiting_approval" && !this.running.has(id));
    return Math.min(
      idle ? dueWithin(this.resumedAt + RESUME_MS, RESUME_MS, now) : Number.POSITIVE_INFINITY,
      this.rows.nextExpiry(now) ?? Number.POSITIVE_INFINITY,
    );
  }

  /** Ends what was not approved in time, and starts what is next or was interrupted. */
  resume(): void {
    const now = this.effects.clock();
    this.resumedAt = now;
    for (const operation of this.rows.active()) {
      const refusal = wasSent(operation) ? null : this.effects.requesterRefusal(operation);
      if (refusal) this.apply(operation.id, { type: "canceled", at: now, error: refusal });
      else if (hasExpired(operation, now)) this.apply(operation.id, { type: "expired", at: now });
      else if (operation.state === "running" && !this.running.has(operation.id)) this.run(operation);
    }
    const alone = (each: Operation) => each.state === "queued" && !needsServer(this.effects.kinds, each);
    for (const operation of this.rows.active().filter(alone)) this.begin(operation);
    const next = nextToRun(this.rows.line());
    if (next) this.begin(next);
  }

  /** An operation that ended before anything was sent was not accepted after all: it uses up no day's quota. */
  private settleQuota(operation: Operation): void {
    if (!isFinal(operation) || wasSent(operation)) return;
    for (const use of operation.admitted?.charged ?? []) this.effects.giveBack(use);
  }

  private begin(next: Operation): void {
    const now = this.effects.clock();
    const started = applied(next, { type: "started", at: now });
    if (!started.ok) return;
    const change = this.effects.kinds[next.kind]?.change;
    if (change)
      this.effects.expected.expect(next.target.key, change, { actor: factActor(next.actor), operation: next.id });
    this.rows.write(started.value, null);
    this.run(started.value);
  }

  /** True while a run needs the server not to be polled. */
  get pollingPaused(): boolean {
    return this.pausing.size > 0;
  }

  /** Ended operations that may have left something on the server. */
  leftToCleanUp(): readonly Operation[] {
    const isDue = (each: Operation) => isFinal(each) && this.effects.kinds[each.kind]?.cleanUp?.isDue(each);
    this.toCleanUp ??= this.rows.recent().filter(isDue);
    return this.toCleanUp;
  }

  /** Removes what runs could not remove from the server when they ended; stops at the first that it cannot either. */
  async cleanUp(api: Work["api"]): Promise<void> {
    for (const operation of this.leftToCleanUp()) {
      const data = await this.effects.kinds[operation.kind]!.cleanUp!.run(api, operation);
      if (data === null || this.closed) return;
      this.rows.write({ ...operation, data }, null);
      this.toCleanUp = this.toCleanUp?.filter((each) => each !== operation) ?? null;
    }
  }

  /** The instance is being removed: no run goes on, and none writes any more. */
  close(): void {
    this.closed = true;
  }

  /** False when the row was canceled or removed with its instance: then its run must not write it. */
  private isRunning(id: string): boolean {
    return !this.closed && this.rows.read(id)?.state === "running";
  }

  private run(operation: Operation): void {
    const run = this.drive(structuredClone(operation)).finally(() => {
      this.running.delete(operation.id);
      this.pausing.delete(operation.id);
      if (!this.closed && !this.isRunning(operation.id)) this.resume();
    });
    this.running.set(operation.id, run);
    this.effects.detach(run);
  }

  private async drive(operation: Operation): Promise<void> {
    const runDependencies = await this.effects.runDependencies();
    // Without a usable credential nothing can be sent or looked at: a run that has begun goes on when there is one.
    if (!runDependencies.ok && operation.steps.length > 0) return;
    const ending = runDependencies.ok
      ? await this.ending(operation, runDependencies.value)
      : failed(runDependencies.error);
    if (ending === null || !this.isRunning(operation.id)) return;
    const ended = applied(operation, { type: "ended", ending, at: this.effects.clock() });
    if (!ended.ok) return;
    const change = this.effects.kinds[operation.kind]?.change ?? null;
    if (change && ending.state === "failed") this.effects.expected.withdraw(operation.target.key, change);
    this.rows.write(ended.value, "ended");
    this.settleQuota(ended.value);
    this.toCleanUp = null;
    this.effects.ended(ended.value, change);
    this.rows.prune();
  }

  /** Null when the operation was canceled in the middle of its run. */
  private async ending(operation: Operation, runDependencies: RunDependencies): Promise<Ending | null> {
    const kind = this.effects.kinds[operation.kind];
    // Written by a newer relay.
    if (!kind) return failed(problem("internal"));
    try {
      return await kind.run(this.work(operation, runDependencies));
    } catch (error) {
      if (error === CANCELED) {
        this.toCleanUp = null;
        return null;
      }
      console.error("an operation's run broke off");
      return { state: "unknown", error: problem("internal") };
    }
  }

  /** `operation` is the run's own copy. Whoever else changes the row, as a cancellation does, ends the run by its state. */
  private work(operation: Operation, runDependencies: RunDependencies): Work<object | null> {
    const write = () => {
      if (!this.isRunning(operation.id)) throw CANCELED;
      this.rows.write(operation, null);
    };
    return {
      ...runDependencies,
      operation,
      clock: this.effects.clock,
      sleep: this.effects.sleep,
      may: (verb, key) => this.effects.requesterRefusal(operation) ?? this.effects.mayUse(verb, key, operation.id),
      step: (name, state, detail) => {
        const record = { name, state, at: this.effects.clock(), ...(detail ? { detail } : {}) };
        operation.steps = [...operation.steps.filter((step) => step.name !== name), record];
        write();
      },
      keep: (data) => {
        if (operation.data) Object.assign(operation.data, data);
        write();
      },
      bind: (binding, preview) => {
        operation.binding = binding;
        operation.preview = preview;
        operation.target = { key: binding.key, size: binding.size, modified: binding.modified };
        write();
      },
      expect: (key) =>
        this.effects.expected.expect(key, "made", { actor: factActor(operation.actor), operation: operation.id }),
      pausePolling: () => {
        this.pausing.add(operation.id);
      },
      accepted: () => this.effects.ledger.append(eventsOf(operation, "accepted")),
    };
  }
}

const failed = (error: Problem): Ending => ({ state: "failed", error });
