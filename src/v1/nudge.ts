import { z } from "@hono/zod-openapi";
import { fromUtf8 } from "../base/encoding.ts";
import { problem } from "../base/problem.ts";
import { slowed } from "../edge/brake.ts";
import { refuse } from "../edge/context.ts";
import { instanceIdIn } from "../edge/genuine-ids.ts";
import { readBody } from "../http/body.ts";
import { instanceOf } from "../instances/stub.ts";
import { type Route, route } from "./route.ts";

const BODY_LIMIT = 4_096;

export const nudgeRoutes: Route[] = [
  route(
    {
      method: "post",
      path: "/v1/nudge/{id}",
      tag: "Instances",
      summary: "Signed hint of the server's own hook: look now",
      access: "public",
      params: z.object({ id: z.string().max(64) }),
      answers: { 202: { description: "Taken; at most one look per 2 s follows." } },
    },
    // An unknown instance, a wrong signature, an old or repeated nudge: all get the same 401 (SECURITY 25).
    async (c, input) => {
      const id = await instanceIdIn(c, input.params.id);
      const body = id === null ? null : await readBody(c.req.raw, BODY_LIMIT);
      const signature = c.req.header("x-signature") ?? "";
      const genuine = id !== null && body !== null && (await instanceOf(c.env, id).nudge(fromUtf8(body), signature));
      if (genuine) return c.body(null, 202);
      return refuse(c, (await slowed(c, "nudge", id ?? "")) ?? problem("unauthenticated"));
    },
  ),
];
