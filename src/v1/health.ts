import { z } from "@hono/zod-openapi";
import { version } from "../version.ts";
import { type Route, route } from "./route.ts";

export const healthRoutes: Route[] = [
  route(
    {
      method: "get",
      path: "/v1/health",
      tag: "Relay",
      summary: "For load balancers: no credential, no upstream call",
      access: "public",
      answers: {
        200: { description: "The relay answers.", schema: z.object({ status: z.literal("ok"), version: z.string() }) },
      },
    },
    (c) => c.json({ status: "ok", version }, 200),
  ),
];
