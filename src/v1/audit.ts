import { z } from "@hono/zod-openapi";
import type { Page } from "../base/page.ts";
import { type Removal, RemovalSchema } from "../directory/removals.ts";
import { directoryOf } from "../directory/stub.ts";
import { answerOf } from "../edge/answer-of.ts";
import { AuditEntrySchema } from "../instances/audit/view.ts";
import { orNull, pageQuery, pageSchema } from "./page.ts";
import { commandRoute, type Route, route } from "./route.ts";

export const auditRoutes: Route[] = [
  route(
    {
      method: "get",
      path: "/v1/audit/removals",
      tag: "Audit",
      summary: "Who removed which server, newest first; its own audit went with it",
      access: "admin",
      query: z.strictObject(pageQuery),
      answers: { 200: { description: "Newest first.", schema: pageSchema(RemovalSchema) } },
    },
    async (c, { query }) => c.json(await answerOf<Page<Removal>>(directoryOf(c.env).removals(query)), 200),
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/audit",
      tag: "Audit",
      summary: "Who did or tried what, newest first",
      command: "audit.list",
      query: z.strictObject({
        ...pageQuery,
        verdict: orNull(z.enum(["allowed", "denied"])),
        action: orNull(z.string().max(64)),
        actor: orNull(z.string().max(64)),
      }),
      answers: { 200: { description: "Newest first.", schema: pageSchema(AuditEntrySchema) } },
    },
    ({ query }) => query,
  ),
];
