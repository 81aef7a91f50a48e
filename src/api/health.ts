import { refuse } from "../edge/context.ts";
import { answerFields } from "./fields.ts";
import type { Handle } from "./route.ts";

/**
 * `GET /api/health`: PocketBase's superuser data for a living key. Anybody else gets PocketBase's answer for guests from
 * the relay itself, with no upstream call. `realIP` would be the relay's own address, so it is left empty.
 */
export const readHealth: Handle<"health.read"> = async (c, { ask }) => {
  const guest = () => answerFields(c, { message: "API is healthy.", code: 200, data: {} });
  if (!c.req.header("authorization")) return guest();
  const health = await ask("health.read", {});
  if (!health.ok) return health.error.code === "unauthenticated" ? guest() : refuse(c, health.error);
  return answerFields(c, {
    message: "API is healthy.",
    code: 200,
    data: { canBackup: health.value.idle !== false, possibleProxyHeader: "", realIP: "" },
  });
};
