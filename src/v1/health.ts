import { z } from "@hono/zod-openapi";
import { problem } from "../base/problem.ts";
import { refuse } from "../edge/context.ts";
import { wakeWatchdog } from "../edge/genuine-ids.ts";
import { isOutOfRoomNow } from "../edge/room.ts";
import { version } from "../version.ts";
import { type Route, route } from "./route.ts";

export const healthRoutes: Route[] = [
  route(
    {
      method: "get",
      path: "/v1/health",
      tag: "Relay",
      summary: "For load balancers: no credential, no upstream call; 503 while the relay cannot write",
      access: "public",
      answers: {
        200: { description: "The relay answers.", schema: z.object({ status: z.literal("ok"), version: z.string() }) },
      },
    },
    async (c) => {
      c.executionCtx.waitUntil(wakeWatchdog(c.env));
      if (await isOutOfRoomNow(c.env)) return refuse(c, problem("storage_full"));
      return c.json({ status: "ok", version }, 200);
    },
  ),
];
