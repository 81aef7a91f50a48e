import { z } from "@hono/zod-openapi";
import { fromUtf8 } from "../base/encoding.ts";
import { throttled } from "../edge/brake.ts";
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
      const refusal = await throttled(c, async () => {
        const id = await instanceIdIn(c, input.params.id);
        const body = id === null ? null : await readBody(c.req.raw, BODY_LIMIT);
        if (id === null || body === null) return false;
        return instanceOf(c.env, id).nudge(fromUtf8(body), c.req.header("x-signature") ?? "");
      });
      return refusal ? refuse(c, refusal) : c.body(null, 202);
    },
  ),
];
