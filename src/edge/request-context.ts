import { createMiddleware } from "hono/factory";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { randomBase62, secureRandom } from "../base/random.ts";
import type { Result } from "../base/result.ts";
import { systemSleep } from "../base/sleep.ts";
import { type Bindings, onPlainWorkerd } from "../bindings.ts";
import { discardBody, UNWANTED_BYTES } from "../http/discard.ts";
import type { LimitState } from "../instances/door/limits.ts";
import { readSettings, type Settings } from "../settings.ts";
import { type AppEnv, refuse } from "./context.ts";
import { isHost } from "./host.ts";
import { problemOfError } from "./problem-of-error.ts";
import { publicPrefix } from "./public-path.ts";

const settingsByEnv = new WeakMap<object, Result<Settings, Problem>>();

function settingsOf(env: Bindings): Result<Settings, Problem> {
  let settings = settingsByEnv.get(env);
  if (!settings) {
    settings = readSettings(env);
    settingsByEnv.set(env, settings);
  }
  return settings;
}

/** A body that no handler has read would reset the connection, and its sender would never see the answer. */
async function discardUnread(request: Request): Promise<void> {
  if (!request.bodyUsed) await discardBody(request.body, systemClock, systemSleep, UNWANTED_BYTES);
}

/**
 * Gives every request its id and the settings, and every answer its common headers. These are set after the handler ran:
 * headers set before would be lost on responses that are passed on unchanged.
 */
export const requestContext = createMiddleware<AppEnv>(async (c, next) => {
  c.set("requestId", randomBase62(secureRandom, 16));
  const settings = settingsOf(c.env);
  if (!isHost(c.req.raw.headers.get("host"))) {
    c.res = refuse(c, problem("host_refused"));
  } else if (!settings.ok) {
    c.res = refuse(c, settings.error);
  } else {
    c.set("settings", settings.value);
    await next();
    const known = c.error ? problemOfError(c.error) : null;
    if (known) c.res = refuse(c, known);
    await discardUnread(c.req.raw);
    const location = c.res.headers.get("location");
    if (location?.startsWith("/")) c.res.headers.set("location", publicPrefix(settings.value) + location);
  }
  const headers = c.res.headers;
  headers.set("x-request-id", c.get("requestId"));
  // Cloudflare's edge writes it. Without it browsers throw a partial download away instead of continuing it.
  if (onPlainWorkerd(c.env)) headers.set("date", new Date(systemClock()).toUTCString());
  headers.set("x-content-type-options", "nosniff");
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  const limits = c.get("limits") ?? [];
  if (limits.length === 0) return;
  const list = (item: (limit: LimitState) => string) => limits.map((each) => `"${each.name}";${item(each)}`).join(", ");
  headers.set(
    "ratelimit-policy",
    list(({ limit, windowSeconds }) => `q=${limit};w=${windowSeconds}`),
  );
  headers.set(
    "ratelimit",
    list(({ remaining, resetSeconds }) => `r=${remaining};t=${resetSeconds}`),
  );
});
