import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { createMiddleware } from "hono/factory";
import { problem } from "../base/problem.ts";
import { admitAdmin } from "../edge/ask.ts";
import { requireCredential } from "../edge/authenticate.ts";
import { type AppContext, type AppEnv, refuse } from "../edge/context.ts";
import { type InstanceClient, instanceClient } from "../edge/instance-client.ts";
import { problemAnswer } from "../edge/problem-schema.ts";
import { resolveCaller } from "../edge/resolve-caller.ts";
import { documentedAccess, type RouteAccess, scopeOf } from "../edge/route-access.ts";
import type { CommandName, Commands, Output } from "../instances/commands.ts";
import { jsonBody } from "./json-body.ts";
import { refuseInvalid, refuseInvalidOfCaller } from "./validation.ts";

export type Relay = OpenAPIHono<AppEnv>;

/** Status → what is answered; a schema for JSON, none for anything else. */
type Answers<Output = unknown> = { [status: number]: { description: string; schema?: z.ZodType<Output> } };

/** What a `/v1` route says about itself: it is validated by this row, and the OpenAPI document shows the same row. */
type RouteRow<
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
  B extends z.ZodType = z.ZodType,
  N extends CommandName = CommandName,
> = RouteAccess<N> & {
  method: "get" | "post" | "put" | "patch" | "delete";
  path: string;
  tag: string;
  summary: string;
  params?: P;
  query?: Q;
  /** JSON; nothing unknown may be in it. */
  body?: B;
  bodyOptional?: boolean;
  /** Takes an Idempotency-Key; every other route refuses one instead of ignoring it. */
  idempotent?: boolean;
  answers: Answers;
};

/** The validated parts of a request. */
type Input<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> = {
  params: z.output<P>;
  query: z.output<Q>;
  body: z.output<B>;
};

type NoFields = z.ZodObject<Record<never, never>>;

/** A row with its handler, ready to be mounted. */
export type Route = { row: RouteRow; mount: (app: Relay) => void };

/** A route with a handler of its own. It reaches an instance only by the commands that the row names. */
export function route<
  P extends z.ZodObject = NoFields,
  Q extends z.ZodObject = NoFields,
  B extends z.ZodType = z.ZodUndefined,
  N extends CommandName = never,
>(
  row: RouteRow<P, Q, B, N>,
  handle: (c: AppContext, input: Input<P, Q, B>, client: InstanceClient<N>) => Response | Promise<Response>,
): Route {
  const plain = row as unknown as RouteRow;
  return { row: plain, mount: (app) => mount(app, plain, handle as unknown as Handle) };
}

/**
 * A route that sends its one command: `toInput` makes the command's input of the request, `render` the answer of its
 * output. Without `render` the answer is the output as JSON, with the first status of the row; its schema must then fit
 * the output.
 */
export function commandRoute<
  N extends CommandName,
  P extends z.ZodObject = NoFields,
  Q extends z.ZodObject = NoFields,
  B extends z.ZodType = z.ZodUndefined,
>(
  row: RouteRow<P, Q, B, N> & { command: N; answers: Answers<NoInfer<Output<N>>> },
  toInput: (input: Input<P, Q, B>) => Commands[N]["input"],
): Route;
export function commandRoute<
  N extends CommandName,
  P extends z.ZodObject = NoFields,
  Q extends z.ZodObject = NoFields,
  B extends z.ZodType = z.ZodUndefined,
>(
  row: RouteRow<P, Q, B, N> & { command: N },
  toInput: (input: Input<P, Q, B>) => Commands[N]["input"],
  render: (c: AppContext, output: Output<N>) => Response,
): Route;
export function commandRoute<
  N extends CommandName,
  P extends z.ZodObject = NoFields,
  Q extends z.ZodObject = NoFields,
  B extends z.ZodType = z.ZodUndefined,
>(
  row: RouteRow<P, Q, B, N> & { command: N },
  toInput: (input: Input<P, Q, B>) => Commands[N]["input"],
  render?: (c: AppContext, output: Output<N>) => Response,
): Route {
  const status = Number(Object.keys(row.answers)[0]);
  const asDocumented = (c: AppContext, output: Output<N>): Response =>
    status === 204 ? c.body(null, 204) : c.json(output as object, status as 200);
  return route(row, async (c, input, { ask }) => {
    const answer = await ask(row.command, toInput(input));
    return answer.ok ? (render ?? asDocumented)(c, answer.value) : refuse(c, answer.error);
  });
}

type Handle = (
  c: AppContext,
  input: Input<z.ZodObject, z.ZodObject, z.ZodType>,
  client: InstanceClient<CommandName>,
) => Response | Promise<Response>;

function mount(app: Relay, row: RouteRow, handle: Handle): void {
  const { params, query, body } = row;
  const scope = scopeOf(row);
  const config = createRoute({
    method: row.method,
    path: row.path,
    tags: [row.tag],
    summary: row.summary,
    ...documentedAccess(row),
    // The credential is checked before the input: whoever has none does not learn what is wrong with the request.
    middleware: [...(scope === "public" ? [] : [credential]), ...(body ? [jsonBody(row.bodyOptional === true)] : [])],
    request: {
      ...(params ? { params } : {}),
      // A mistyped filter must not widen an answer, so a route without parameters takes none.
      query: query ?? z.strictObject({}),
      ...(row.idempotent ? { headers: z.object({ "idempotency-key": z.string().optional() }) } : {}),
      ...(body ? { body: { required: !row.bodyOptional, content: { "application/json": { schema: body } } } } : {}),
    },
    responses: { ...documentedAnswers(row.answers), ...problemAnswer },
  });
  const handleValid = async (c: AppContext): Promise<Response> => {
    if (!row.idempotent && c.req.header("idempotency-key") !== undefined)
      return refuse(c, problem("idempotency_unsupported"));
    if ("access" in row && row.access === "admin") {
      const admitted = await admitAdmin(c);
      if (!admitted.ok) return refuse(c, admitted.error);
    }
    const valid = c.req.valid.bind(c.req) as (target: string) => never;
    const input = { params: valid("param"), query: valid("query"), body: valid("json") };
    const client = instanceClient<CommandName>(c, () => (scope === "admin" ? adminAtPath(c) : resolveCaller(c)));
    return handle(c, input, client);
  };
  app.openapi(config, handleValid as never, (scope === "public" ? refuseInvalid : refuseInvalidOfCaller) as never);
}

const documentedAnswers = (answers: Answers) =>
  Object.fromEntries(
    Object.entries(answers).map(([status, { description, schema }]) => [
      status,
      schema ? { description, content: { "application/json": { schema } } } : { description },
    ]),
  );

const credential = createMiddleware<AppEnv>(async (c, next) => {
  const refusal = await requireCredential(c);
  if (refusal) return refuse(c, refusal);
  await next();
});

/** An administrator's command goes to the instance that the path names; every key is refused. */
async function adminAtPath(c: AppContext) {
  const admitted = await admitAdmin(c);
  return admitted.ok ? resolveCaller(c, { instanceName: c.req.param("name") ?? "" }) : admitted;
}
