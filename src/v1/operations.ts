import { z } from "@hono/zod-openapi";
import { isoTime } from "../base/clock.ts";
import { problems } from "../base/problems.ts";
import { ask } from "../edge/ask.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import { type KindName, kindNames } from "../operations/kinds.ts";
import { isFinal, type Operation, operationStates } from "../operations/operation.ts";
import { requestOptions } from "./request-options.ts";
import { page, pageQuery, type Relay, route, serve } from "./route.ts";

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

/** An operation as `/v1` shows it (API.md "Operations"). */
export function operationView(operation: Operation): z.infer<typeof OperationSchema> {
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
    links: { self: `/v1/operations/${operation.id}`, outcome: `/v1/operations/${operation.id}/outcome` },
  };
}

const one = z.object({ id: z.string().max(64) });
const wait = z.strictObject({ wait: z.coerce.number().int().min(0).max(60).default(0) });

const list = route({
  method: "get",
  path: "/v1/operations",
  tag: "Operations",
  summary: "List operations, newest first",
  scope: "operations:read",
  query: z.strictObject({
    ...pageQuery,
    state: z.enum(operationStates).optional(),
    kind: z.enum(kindNames).optional(),
  }),
  answers: { 200: { description: "Newest first.", schema: page(OperationSchema) } },
});
const read = route({
  method: "get",
  path: "/v1/operations/{id}",
  tag: "Operations",
  summary: "Read an operation; with ?wait= answer when it ends, or after that many seconds",
  scope: null,
  params: one,
  query: wait,
  answers: { 200: { description: "The operation.", schema: OperationSchema } },
});
const outcome = route({
  method: "get",
  path: "/v1/operations/{id}/outcome",
  tag: "Operations",
  summary: "For shells: 204 succeeded, 422 ended otherwise, 503 with Retry-After while it runs",
  scope: null,
  params: one,
  query: wait,
  answers: {
    204: { description: "Succeeded." },
    422: { description: "Failed, unknown, denied, expired or canceled.", schema: OperationSchema },
    503: { description: "Not finished yet.", schema: OperationSchema },
  },
});

const decisions = ["approve", "deny", "cancel"] as const;
const SUMMARIES = {
  approve: "Agree to another principal's request, which then takes its place in line",
  deny: "Refuse another principal's request",
  cancel: "Cancel one's own operation, as long as nothing was sent to the server",
};
const undo = route({
  method: "post",
  path: "/v1/operations/{id}/undo",
  tag: "Operations",
  summary: "Take the newest restore back by restoring its safety backup, within 24 hours",
  scope: "backups:restore",
  idempotent: true,
  params: one,
  answers: { 202: { description: "A restore of its own.", schema: OperationSchema } },
});

/** 202 with where to look, and when. */
export function accepted(c: AppContext, operation: Operation): Response {
  c.header("location", `/v1/operations/${operation.id}`);
  c.header("retry-after", "2");
  return c.json(operationView(operation), 202);
}

export function mountOperations(app: Relay): void {
  serve(app, list, async (c, input) => {
    const { limit, cursor, state, kind } = input.query;
    const listed = await ask(c, {
      do: "operations.list",
      limit,
      cursor: cursor ?? null,
      state: state ?? null,
      kind: kind ?? null,
    });
    if (!listed.ok) return refuse(c, listed.error);
    return c.json({ items: listed.value.items.map(operationView), nextCursor: listed.value.nextCursor }, 200);
  });
  serve(app, read, async (c, input) => {
    const id = input.params.id;
    const operation = await ask(c, { do: "operations.read", id, waitSeconds: input.query.wait });
    return operation.ok ? c.json(operationView(operation.value), 200) : refuse(c, operation.error);
  });
  serve(app, outcome, async (c, input) => {
    const id = input.params.id;
    const operation = await ask(c, { do: "operations.read", id, waitSeconds: input.query.wait });
    if (!operation.ok) return refuse(c, operation.error);
    if (operation.value.state === "succeeded") return c.body(null, 204);
    if (isFinal(operation.value)) return c.json(operationView(operation.value), 422);
    c.header("retry-after", "2");
    return c.json(operationView(operation.value), 503);
  });
  for (const decision of decisions) {
    const row = route({
      method: "post",
      path: `/v1/operations/{id}/${decision}`,
      tag: "Operations",
      summary: SUMMARIES[decision],
      scope: decision === "cancel" ? null : "operations:approve",
      params: one,
      answers: { 200: { description: "The operation as it is now.", schema: OperationSchema } },
    });
    serve(app, row, async (c, input) => {
      const decided = await ask(c, { do: `operations.${decision}`, id: input.params.id });
      return decided.ok ? c.json(operationView(decided.value), 200) : refuse(c, decided.error);
    });
  }
  serve(app, undo, async (c, input) => {
    const asked = await requestOptions(c, 0);
    if (!asked.ok) return refuse(c, asked.error);
    const undone = await ask(c, { do: "operations.undo", ...asked.value, id: input.params.id });
    return undone.ok ? accepted(c, undone.value) : refuse(c, undone.error);
  });
}
