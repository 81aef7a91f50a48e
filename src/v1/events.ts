import { z } from "@hono/zod-openapi";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import { ChainCheckSchema } from "../ledger/chain.ts";
import { EventSchema } from "../ledger/event.ts";
import { parseTypePatterns } from "../ledger/type-pattern.ts";
import { eventStream, type ReadEvents } from "./event-stream.ts";
import { commandRoute, type Route, route } from "./route.ts";

const tag = "Events";
const type = z
  .string()
  .max(1000)
  .optional()
  .describe("Event types, comma-separated; `backup.*` and `*` are understood.");
const after = z.coerce.number().int().min(0).default(0);

export const eventRoutes: Route[] = [
  route(
    {
      method: "get",
      path: "/v1/events",
      tag,
      summary: "Read the ledger after a seq, oldest first",
      command: "events.list",
      query: z.strictObject({ after, type, limit: z.coerce.number().int().min(1).max(200).default(50) }),
      answers: {
        200: {
          description: "Events as they are stored, byte for byte; go on with after=nextAfter.",
          schema: z.object({ items: z.array(EventSchema), nextAfter: z.number(), head: z.number() }),
        },
      },
    },
    async (c, { query }, { ask }) => {
      const types = typesIn(query.type);
      if (!types.ok) return refuse(c, types.error);
      const page = await ask("events.list", { after: query.after, limit: query.limit, types: types.value });
      if (!page.ok) return refuse(c, page.error);
      // The stored texts are joined, not parsed and written anew: hash chain and signatures cover their exact bytes.
      const { texts, nextAfter, head } = page.value;
      const body = `{"items":[${texts.join(",")}],"nextAfter":${nextAfter},"head":${head}}`;
      return c.body(body, 200, { "content-type": "application/json" });
    },
  ),
  route(
    {
      method: "get",
      path: "/v1/events/stream",
      tag,
      summary: "The ledger as server-sent events; resumes after Last-Event-ID",
      command: "events.list",
      alsoAsks: ["events.follow"],
      query: z.strictObject({ after: z.coerce.number().int().min(0).optional(), type }),
      answers: { 200: { description: "text/event-stream: id is the seq, event the type, data the event." } },
    },
    async (c, { query }, { ask }) => {
      const types = typesIn(query.type);
      if (!types.ok) return refuse(c, types.error);
      // `events.list` counts the request against the key's rate; the polls that follow are not counted.
      const counted = await ask("events.list", { after: 0, limit: 1, types: types.value });
      if (!counted.ok) return refuse(c, counted.error);
      const read: ReadEvents = (after, limit) => ask("events.follow", { after, limit, types: types.value });
      const from = await streamStart(c, query.after, read);
      return from.ok ? eventStream(from.value, read, c.req.raw.signal) : refuse(c, from.error);
    },
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/events/verify",
      tag,
      summary: "Check the hash chain from the first event kept to the head",
      command: "events.verify",
      query: z.strictObject({}),
      answers: { 200: { description: "Whether it holds, and where it breaks.", schema: ChainCheckSchema } },
    },
    () => ({}),
  ),
];

function typesIn(text: string | undefined): Result<string[], Problem> {
  const parsed = parseTypePatterns((text ?? "*").split(","));
  if (parsed.ok) return parsed;
  return fail(
    problem("invalid_request", { data: { type: { code: "validation_invalid_value", message: parsed.error } } }),
  );
}

/** The seq after which a stream begins: `Last-Event-ID` before the query; without both, after the present head. */
async function streamStart(
  c: AppContext,
  after: number | undefined,
  read: ReadEvents,
): Promise<Result<number, Problem>> {
  const last = c.req.header("last-event-id");
  if (last !== undefined && /^\d{1,15}$/.test(last)) return ok(Number(last));
  if (after !== undefined) return ok(after);
  const page = await read(Number.MAX_SAFE_INTEGER, 1);
  return page.ok ? ok(page.value.head) : page;
}
