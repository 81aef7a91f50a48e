import { z } from "@hono/zod-openapi";
import { refuse } from "../edge/context.ts";
import { kindNames } from "../operations/kinds.ts";
import { isFinal, type Operation, operationStates } from "../operations/operation.ts";
import { accepted, OperationSchema, operationView } from "./operation-view.ts";
import { orNull, pageQuery, pageSchema } from "./page.ts";
import { requestOptions } from "./request-options.ts";
import { commandRoute, type Route, route } from "./route.ts";

const tag = "Operations";
const params = z.object({ id: z.string().max(64) });
const wait = z.strictObject({ wait: z.coerce.number().int().min(0).max(60).default(0) });

/** Approving, denying or canceling: all take an operation's id and answer the operation. */
const decision = (verb: "approve" | "deny" | "cancel", summary: string): Route =>
  commandRoute(
    {
      method: "post",
      path: `/v1/operations/{id}/${verb}`,
      tag,
      summary,
      command: `operations.${verb}`,
      params,
      answers: { 200: { description: "The operation as it is now.", schema: OperationSchema } },
    },
    ({ params }) => params,
    (c, operation: Operation) => c.json(operationView(c, operation), 200),
  );

export const operationRoutes: Route[] = [
  commandRoute(
    {
      method: "get",
      path: "/v1/operations",
      tag,
      summary: "List operations, newest first",
      command: "operations.list",
      query: z.strictObject({
        ...pageQuery,
        state: orNull(z.enum(operationStates)),
        kind: orNull(z.enum(kindNames)),
      }),
      answers: { 200: { description: "Newest first.", schema: pageSchema(OperationSchema) } },
    },
    ({ query }) => query,
    (c, { items, nextCursor }) => c.json({ items: items.map((each) => operationView(c, each)), nextCursor }, 200),
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/operations/{id}",
      tag,
      summary: "Read an operation; with ?wait= answer when it ends, or after that many seconds",
      command: "operations.read",
      params,
      query: wait,
      answers: { 200: { description: "The operation.", schema: OperationSchema } },
    },
    ({ params, query }) => ({ ...params, waitSeconds: query.wait }),
    (c, operation) => c.json(operationView(c, operation), 200),
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/operations/{id}/outcome",
      tag,
      summary: "For shells: 204 succeeded, 422 ended otherwise, 503 with Retry-After while it runs",
      command: "operations.read",
      params,
      query: wait,
      answers: {
        204: { description: "Succeeded." },
        422: { description: "Failed, unknown, denied, expired or canceled.", schema: OperationSchema },
        503: { description: "Not finished yet.", schema: OperationSchema },
      },
    },
    ({ params, query }) => ({ ...params, waitSeconds: query.wait }),
    (c, operation) => {
      if (operation.state === "succeeded") return c.body(null, 204);
      if (isFinal(operation)) return c.json(operationView(c, operation), 422);
      c.header("retry-after", "2");
      return c.json(operationView(c, operation), 503);
    },
  ),
  decision("approve", "Agree to another principal's request, which then takes its place in line"),
  decision("deny", "Refuse another principal's request"),
  decision("cancel", "Cancel one's own operation, as long as nothing was sent to the server"),
  route(
    {
      method: "post",
      path: "/v1/operations/{id}/undo",
      tag,
      summary: "Take the newest restore back by restoring its safety backup, within 24 hours",
      command: "operations.undo",
      idempotent: true,
      params,
      answers: { 202: { description: "A restore of its own.", schema: OperationSchema } },
    },
    async (c, { params }, { ask }) => {
      const options = await requestOptions(c, 0);
      if (!options.ok) return refuse(c, options.error);
      const undone = await ask("operations.undo", { ...options.value, ...params });
      return undone.ok ? accepted(c, undone.value) : refuse(c, undone.error);
    },
  ),
];
