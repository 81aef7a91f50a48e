import { z } from "@hono/zod-openapi";
import type { Problem } from "../base/problem.ts";
import { problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { ask, perform } from "../edge/ask.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import { resolveCaller } from "../edge/resolve-caller.ts";
import { ChainCheckSchema } from "../ledger/chain.ts";
import { parseTypePatterns } from "../ledger/type-pattern.ts";
import { eventStream } from "./event-stream.ts";
import { type Relay, route, serve } from "./route.ts";

const EventSchema = z
  .object({
    id: z.string(),
    seq: z.number(),
    type: z.string(),
    timestamp: z.string(),
    instance: z.string(),
    prev: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "Event" });
const type = z
  .string()
  .max(1000)
  .optional()
  .describe("Event types, comma-separated; `backup.*` and `*` are understood.");
const after = z.coerce.number().int().min(0).default(0);

const list = route({
  method: "get",
  path: "/v1/events",
  tag: "Events",
  summary: "Read the ledger after a seq, oldest first",
  scope: "events:read",
  query: z.strictObject({ after, type, limit: z.coerce.number().int().min(1).max(200).default(50) }),
  answers: {
    200: {
      description: "Events as they are stored, byte for byte; go on with after=nextAfter.",
      schema: z.object({ items: z.array(EventSchema), nextAfter: z.number(), head: z.number() }),
    },
  },
});
const stream = route({
  method: "get",
  path: "/v1/events/stream",
  tag: "Events",
  summary: "The ledger as server-sent events; resumes after Last-Event-ID",
  scope: "events:read",
  query: z.strictObject({ after: z.coerce.number().int().min(0).optional(), type }),
  answers: { 200: { description: "text/event-stream: id is the seq, event the type, data the event." } },
});
const verify = route({
  method: "get",
  path: "/v1/events/verify",
  tag: "Events",
  summary: "Check the hash chain from the first event kept to the head",
  scope: "events:read",
  query: z.strictObject({}),
  answers: { 200: { description: "Whether it holds, and where it breaks.", schema: ChainCheckSchema } },
});

export function mountEvents(app: Relay): void {
  serve(app, list, async (c, input) => {
    const types = typesOf(input.query.type);
    if (!types.ok) return refuse(c, types.error);
    const { after, limit } = input.query;
    const page = await ask(c, { do: "events.list", after, limit, types: types.value });
    if (!page.ok) return refuse(c, page.error);
    // Joined, not parsed and written anew: the stored text is what the chain and the signatures are over.
    const { texts, nextAfter, head } = page.value;
    const body = `{"items":[${texts.join(",")}],"nextAfter":${nextAfter},"head":${head}}`;
    return c.body(body, 200, { "content-type": "application/json" });
  });

  serve(app, stream, async (c, input) => {
    const types = typesOf(input.query.type);
    if (!types.ok) return refuse(c, types.error);
    const resolved = await resolveCaller(c);
    if (!resolved.ok) return refuse(c, resolved.error);
    const read = (from: number, limit: number) =>
      perform(c, resolved.value, { do: "events.follow", after: from, limit, types: types.value });
    const counted = await perform(c, resolved.value, { do: "events.list", after: 0, limit: 1, types: types.value });
    if (!counted.ok) return refuse(c, counted.error);
    const from = await start(c, input.query.after, read);
    return from.ok ? eventStream(from.value, read, c.req.raw.signal) : refuse(c, from.error);
  });

  serve(app, verify, async (c) => {
    const verdict = await ask(c, { do: "events.verify" });
    return verdict.ok ? c.json(verdict.value, 200) : refuse(c, verdict.error);
  });
}

function typesOf(text: string | undefined): Result<string[], Problem> {
  const parsed = parseTypePatterns((text ?? "*").split(","));
  if (parsed.ok) return parsed;
  return fail(
    problem("invalid_request", { data: { type: { code: "validation_invalid_value", message: parsed.error } } }),
  );
}

/** A browser's `Last-Event-ID` wins over the query; without either a stream begins with what happens next. */
async function start(
  c: AppContext,
  after: number | undefined,
  read: Parameters<typeof eventStream>[1],
): Promise<Result<number, Problem>> {
  const last = c.req.header("last-event-id");
  if (last !== undefined && /^\d{1,15}$/.test(last)) return ok(Number(last));
  if (after !== undefined) return ok(after);
  const page = await read(Number.MAX_SAFE_INTEGER, 1);
  return page.ok ? ok(page.value.head) : page;
}
