import type { Clock } from "../../base/clock.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { idempotency, REMEMBERED_MS, type Remembered } from "../../operations/idempotency.ts";
import type { Operation } from "../../operations/operation.ts";
import type { Admitted, CallerActor, RequestOptions } from "../caller.ts";
import type { Operations } from "./engine.ts";

const NO_OPERATION_YET = "The first request has no operation to follow yet: send this one again in a second.";

/**
 * Requests that were answered with an operation, by API key and `Idempotency-Key`. The caller was admitted before
 * anything is looked up here (SECURITY 10), and an operation holds no secret.
 */
export class IdempotentRequests {
  private readonly sql: SqlStorage;
  private readonly operations: Operations;
  private readonly clock: Clock;

  constructor(sql: SqlStorage, operations: Operations, clock: Clock) {
    this.sql = sql;
    this.operations = operations;
    this.clock = clock;
  }

  /** Runs a request once per key: a repetition gets the stored answer, or the operation that still runs. */
  async once(
    header: RequestOptions["idempotency"],
    { actor }: Admitted,
    request: (onCreated: (operation: Operation) => void) => Promise<Result<Operation, Problem>>,
  ): Promise<Result<Operation, Problem>> {
    if (header === null) return request(() => undefined);
    const name = nameOf(actor, header.key);
    const decision = this.decide(name, header.fingerprint);
    if (decision.do === "refuse") return fail(decision.problem);
    if (decision.do === "replay") return ok(JSON.parse(decision.answer.body));
    if (this.underWay.has(name))
      return fail(problem("idempotency_running", { retryAfterSeconds: 1, hint: NO_OPERATION_YET }));
    this.underWay.add(name);
    try {
      // Written in the turn that writes the operation's row, and again with the final answer.
      const answer = await request((operation) => this.remember(name, header.fingerprint, operation));
      if (answer.ok) this.remember(name, header.fingerprint, answer.value);
      return answer;
    } finally {
      this.underWay.delete(name);
    }
  }

  /** Whether `once` will answer this from an earlier request, or refuse it because of one. */
  repeats({ kind, id }: CallerActor, header: RequestOptions["idempotency"]): boolean {
    if (header === null) return false;
    const name = nameOf({ kind, id }, header.key);
    return this.underWay.has(name) || this.decide(name, header.fingerprint).do !== "first";
  }

  private decide(name: string, fingerprint: string) {
    const remembered = this.remembered(name);
    const operation = remembered ? this.operations.rows.read(remembered.operation) : null;
    return idempotency(remembered, fingerprint, operation, this.clock());
  }

  /** Names whose first request is still being answered. */
  private readonly underWay = new Set<string>();

  private remembered(name: string): Remembered | null {
    const [row] = this.sql.exec<{ record: string }>("SELECT record FROM idempotency WHERE name = ?", name).toArray();
    return row ? JSON.parse(row.record) : null;
  }

  private remember(name: string, fingerprint: string, operation: Operation): void {
    const at = this.clock();
    const answer = { status: 202, body: JSON.stringify(operation) };
    const record: Remembered = { fingerprint, operation: operation.id, answer, at };
    this.sql.exec("DELETE FROM idempotency WHERE at NOT BETWEEN ? AND ?", at - REMEMBERED_MS, at + REMEMBERED_MS);
    this.sql.exec(
      "INSERT OR REPLACE INTO idempotency (name, at, record) VALUES (?, ?, ?)",
      name,
      at,
      JSON.stringify(record),
    );
  }
}

const nameOf = ({ kind, id }: Pick<CallerActor, "kind" | "id">, key: string): string => `${kind}:${id ?? ""}:${key}`;
