import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { createMiddleware } from "hono/factory";
import type { Scope } from "../access/scope.ts";
import type { FieldProblem } from "../base/problem.ts";
import { problem } from "../base/problem.ts";
import { refusalOfCredential } from "../edge/ask.ts";
import { requireCredential } from "../edge/authenticate.ts";
import { type AppContext, type AppEnv, refuse } from "../edge/context.ts";
import { ProblemSchema } from "../edge/problem-schema.ts";
import { jsonBody } from "./json-body.ts";

export type Relay = OpenAPIHono<AppEnv>;

/** What a `/v1` route says about itself; the OpenAPI document, the docs and the walking test read the same rows. */
export type RouteRow<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> = {
  method: "get" | "post" | "put" | "patch" | "delete";
  path: string;
  tag: string;
  summary: string;
  /** The scope a key needs; `null`: any living key; `"admin"`; `"public"`: no credential. */
  scope: Scope | "admin" | "public" | null;
  params?: P;
  query?: Q;
  /** JSON; nothing unknown may be in it. */
  body?: B;
  bodyOptional?: boolean;
  /** Takes an Idempotency-Key; every other call refuses one instead of ignoring it. */
  idempotent?: boolean;
  /** Status → what is answered; a schema for JSON, none for anything else. */
  answers: { [status: number]: { description: string; schema?: z.ZodType } };
};

/** Keeps the schemas' types, by which `serve` types its handler. */
export const route = <
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
  B extends z.ZodType = z.ZodUndefined,
>(
  row: RouteRow<P, Q, B>,
): RouteRow<P, Q, B> => row;

type Input<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> = {
  params: z.output<P>;
  query: z.output<Q>;
  body: z.output<B>;
};

/** Mounts a route: its input is validated first, its answers stand in the OpenAPI document. */
export function serve<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(
  app: Relay,
  row: RouteRow<P, Q, B>,
  handle: (c: AppContext, input: Input<P, Q, B>) => Response | Promise<Response>,
): void {
  const { params, query, body } = row;
  const config = createRoute({
    method: row.method,
    path: row.path,
    tags: [row.tag],
    summary: row.summary,
    "x-scope": row.scope,
    // A credential first: what is wrong with a request is told only to somebody.
    middleware: [
      ...(row.scope === "public" ? [] : [credential]),
      ...(body ? [jsonBody(row.bodyOptional === true)] : []),
    ],
    security: row.scope === "public" ? [] : [{ bearer: [] }],
    request: {
      ...(params ? { params } : {}),
      // A mistyped filter must not widen an answer, so a route without parameters takes none.
      query: query ?? z.strictObject({}),
      ...(row.idempotent ? { headers: z.object({ "idempotency-key": z.string().optional() }) } : {}),
      ...(body ? { body: { required: !row.bodyOptional, content: { "application/json": { schema: body } } } } : {}),
    },
    responses: {
      ...Object.fromEntries(
        Object.entries(row.answers).map(([status, { description, schema }]) => [
          status,
          schema ? { description, content: { "application/json": { schema } } } : { description },
        ]),
      ),
      default: {
        description: "Refused or failed; docs/errors.md explains each code.",
        content: { "application/json": { schema: ProblemSchema } },
      },
    },
  });
  const validated = (c: AppContext): Input<P, Q, B> => {
    const valid = c.req.valid.bind(c.req) as (target: string) => never;
    return { params: valid("param"), query: valid("query"), body: valid("json") };
  };
  app.openapi(
    config,
    ((c: AppContext) => {
      if (!row.idempotent && c.req.header("idempotency-key") !== undefined)
        return refuse(c, problem("idempotency_unsupported"));
      return handle(c, validated(c));
    }) as never,
    (row.scope === "public" ? refusedInput : refusedToSomebody) as never,
  );
}

const credential = createMiddleware<AppEnv>(async (c, next) => {
  const refusal = await requireCredential(c);
  if (refusal) return refuse(c, refusal);
  await next();
});

/** `?limit=&cursor=` of every list (API.md "Conventions"). */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(512).optional(),
};

export const page = <S extends z.ZodType>(item: S) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

export const isoTimeField = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

type Validation = { success: boolean; error?: z.ZodError; target: string };

/** What zod refused, in PocketBase's shape: the field's path leads to what was wrong with it. */
export function refusedInput(result: Validation, c: AppContext): Response | undefined {
  if (result.success || !result.error) return undefined;
  const data: Record<string, FieldProblem> = {};
  const note = (issues: readonly Issue[], above: readonly PropertyKey[]) => {
    for (const issue of issues) {
      const path = [...above, ...issue.path];
      if (issue.code === "unrecognized_keys") {
        for (const key of issue.keys)
          data[[...path, key].join(".")] = { code: "unknown_field", message: "There is no such field here." };
      } else if (issue.code === "invalid_union" && issue.errors.length > 0) {
        note(nearest(issue.errors), path);
      } else {
        const code = issue.code.replace(/^invalid_/, "");
        data[path.join(".") || result.target] = { code: `validation_invalid_${code}`, message: issue.message };
      }
    }
  };
  note(result.error.issues, []);
  return refuse(c, problem("invalid_request", { data }));
}

/** What is wrong with a request is told only to a living credential. */
async function refusedToSomebody(result: Validation, c: AppContext): Promise<Response | undefined> {
  if (result.success) return undefined;
  const dead = await refusalOfCredential(c);
  return dead ? refuse(c, dead) : refusedInput(result, c);
}

type Issue = z.core.$ZodIssue;

/** Of the forms a field may have, the one that the caller most likely meant: with the least wrong. */
const nearest = (forms: readonly (readonly Issue[])[]): readonly Issue[] =>
  [...forms].sort((one, other) => one.length - other.length)[0]!;
