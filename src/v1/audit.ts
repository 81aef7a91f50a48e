import { z } from "@hono/zod-openapi";
import { AuditEntrySchema } from "../instances/audit/view.ts";
import { orNull, pageQuery, pageSchema } from "./page.ts";
import { commandRoute, type Route } from "./route.ts";

export const auditRoutes: Route[] = [
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
