import { type OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { AppContext, AppEnv } from "../edge/context.ts";
import { type InstanceClient, instanceClient } from "../edge/instance-client.ts";
import { problemAnswer } from "../edge/problem-schema.ts";
import { documentedAccess, type RouteAccess } from "../edge/route-access.ts";
import type { CommandName } from "../instances/commands.ts";

/** Answers a drop-in call. It reaches an instance only by the commands that the call's row names. */
export type Handle<N extends CommandName = never> = (
  c: AppContext,
  client: InstanceClient<N>,
) => Response | Promise<Response>;

/** A drop-in call: how it is mounted, how the OpenAPI document shows it, and what answers it. */
type DropInRow<N extends CommandName = CommandName> = RouteAccess<N> & {
  method: "get" | "post" | "delete";
  path: string;
  summary: string;
  /** Of HEAD, where the document shows it; Hono answers HEAD by the GET handler. */
  head?: string;
  query?: readonly string[];
  body?: Record<string, { schema: z.ZodType }>;
  answers: RouteConfig["responses"];
  handle: Handle<N>;
};

/** Checks that the handler asks nothing but what the row names. */
export const row = <N extends CommandName = never>(row: DropInRow<N>): DropInRow => row as unknown as DropInRow;

/** The superusers' collection by its name in any case, or by its id, which is the same on every server. */
const SUPERUSERS = ":collection{_[sS][uU][pP][eE][rR][uU][sS][eE][rR][sS]|pbc_3142635823}";

/** Mounts the call and documents it. Its input is not validated by the schemas: handlers read it as PocketBase does. */
export function mountRow(app: OpenAPIHono<AppEnv>, row: DropInRow): void {
  const path = row.path.replace("{key}", ":key").replace("_superusers", SUPERUSERS);
  app.on(row.method.toUpperCase(), path, (c) => row.handle(c, instanceClient(c)));
  app.openAPIRegistry.registerPath(documented(row, row.method, row.summary));
  if (row.head) app.openAPIRegistry.registerPath(documented(row, "head", row.head));
}

const documented = (row: DropInRow, method: RouteConfig["method"], summary: string): RouteConfig => ({
  method,
  path: row.path,
  tags: ["Drop-in (PocketBase)"],
  summary,
  ...documentedAccess(row),
  request: {
    ...(row.path.includes("{key}") ? { params: z.object({ key: z.string() }) } : {}),
    ...(row.query
      ? { query: z.object(Object.fromEntries(row.query.map((name) => [name, z.string().optional()]))) }
      : {}),
    ...(row.body ? { body: { content: row.body } } : {}),
  },
  responses: { ...row.answers, ...problemAnswer },
});
