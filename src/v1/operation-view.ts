import { z } from "@hono/zod-openapi";
import { isoTime } from "../base/clock.ts";
import { problems } from "../base/problems.ts";
import type { AppContext } from "../edge/context.ts";
import { publicPrefix } from "../edge/public-path.ts";
import { type KindName, kindNames } from "../operations/kinds.ts";
import { type Operation, operationStates } from "../operations/operation.ts";

export const OperationSchema = z
  .object({
    id: z.string(),
    kind: z.enum(kindNames),
    state: z.enum(operationStates),
    target: z.object({ key: z.string(), size: z.number().optional(), modified: z.string().optional() }),
    steps: z.array(z.object({ name: z.string(), state: z.string(), at: z.string(), detail: z.string().optional() })),
    actor: z.object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() }),
    requested: z.string(),
    started: z.string().nullable(),
    finished: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
    result: z.record(z.string(), z.unknown()).nullable(),
    approval: z
      .object({ expires: z.string(), decidedBy: z.string().nullable(), decidedAt: z.string().nullable() })
      .nullable(),
    preview: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe("What is lost by it and who made the file: of a restore, and of what waits for an approval."),
    ahead: z.number().nullable().describe("How many operations go before this one; null when it is not in line."),
    links: z.object({ self: z.string(), outcome: z.string() }),
  })
  .meta({ id: "Operation" });

const time = (at: number | null): string | null => (at === null ? null : isoTime(at));

/** An operation as `/v1` shows it: times in ISO 8601, a problem with its message and hint, nothing internal. */
export function operationView(c: AppContext, operation: Operation): z.infer<typeof OperationSchema> {
  const self = `${publicPrefix(c.get("settings"))}/v1/operations/${operation.id}`;
  const { error } = operation;
  const { principal: _principal, ...actor } = operation.actor;
  return {
    id: operation.id,
    kind: operation.kind as KindName,
    state: operation.state,
    target: operation.target,
    steps: operation.steps.map((step) => ({ ...step, at: isoTime(step.at) })),
    actor,
    requested: isoTime(operation.requested),
    started: time(operation.started),
    finished: time(operation.finished),
    error: error && {
      code: error.code,
      message: error.message ?? problems[error.code].message,
      hint: error.hint ?? problems[error.code].hint,
    },
    result: operation.result,
    approval: operation.approval && {
      expires: isoTime(operation.approval.expires),
      decidedBy: operation.approval.decidedBy,
      decidedAt: time(operation.approval.decidedAt),
    },
    preview: operation.preview ?? null,
    ahead: operation.ahead ?? null,
    links: { self, outcome: `${self}/outcome` },
  };
}

/** Answers 202 for an operation that has not ended, with the address of the operation and when to ask for it. */
export function accepted(c: AppContext, operation: Operation): Response {
  c.header("location", `/v1/operations/${operation.id}`);
  c.header("retry-after", "2");
  return c.json(operationView(c, operation), 202);
}
