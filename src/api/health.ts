import type { Hono } from "hono";
import { perform } from "../edge/ask.ts";
import { type AppEnv, refuse } from "../edge/context.ts";
import { resolveCaller } from "../edge/resolve-caller.ts";

/**
 * `GET /api/health`: PocketBase's superuser data for a living key; anybody else gets the guest's answer from here, with
 * no upstream call. `realIP` is what the server sees of the relay and so is told to nobody.
 */
export function mountHealth(app: Hono<AppEnv>): void {
  app.on(["GET", "HEAD"], "/api/health", async (c) => {
    const guest = () => c.json({ message: "API is healthy.", code: 200, data: {} });
    if (!c.req.header("authorization")) return guest();
    const resolved = await resolveCaller(c);
    if (!resolved.ok) return resolved.error.code === "unauthenticated" ? guest() : refuse(c, resolved.error);
    const health = await perform(c, resolved.value, { do: "health.read" });
    if (!health.ok) return health.error.code === "unauthenticated" ? guest() : refuse(c, health.error);
    return c.json({
      message: "API is healthy.",
      code: 200,
      data: { canBackup: health.value.idle !== false, possibleProxyHeader: "", realIP: "" },
    });
  });
}
