import { z } from "@hono/zod-openapi";
import { ask } from "../edge/ask.ts";
import { refuse } from "../edge/context.ts";
import { AuditEntrySchema } from "../instances/audit/view.ts";
import { page, pageQuery, type Relay, route, serve } from "./route.ts";

const list = route({
  method: "get",
  path: "/v1/audit",
  tag: "Audit",
  summary: "Who did or tried what, newest first",
  scope: "audit:read",
  query: z.strictObject({
    ...pageQuery,
    verdict: z.enum(["allowed", "denied"]).optional(),
    action: z.string().max(64).optional(),
    actor: z.string().max(64).optional(),
  }),
  answers: { 200: { description: "Newest first.", schema: page(AuditEntrySchema) } },
});

export function mountAudit(app: Relay): void {
  serve(app, list, async (c, input) => {
    const { limit, cursor, verdict, action, actor } = input.query;
    const listed = await ask(c, {
      do: "audit.list",
      limit,
      cursor: cursor ?? null,
      verdict: verdict ?? null,
      action: action ?? null,
      actor: actor ?? null,
    });
    return listed.ok ? c.json(listed.value, 200) : refuse(c, listed.error);
  });
}
