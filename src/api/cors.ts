import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../edge/context.ts";

const METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE";
/** Headers that a script in a page may read from an answer. */
const EXPOSED =
  "Content-Length,Content-Range,Content-Disposition,Accept-Ranges,ETag,Last-Modified,Retry-After,X-Request-Id,RateLimit,RateLimit-Policy";

/** CORS for `/api`, as PocketBase answers it: any origin, no cookies; OPTIONS of any path is its own to answer. */
export const cors = createMiddleware<AppEnv>(async (c, next) => {
  const origin = c.req.header("origin");
  if (c.req.method === "OPTIONS") {
    const headers = new Headers({ vary: "Origin" });
    if (origin !== undefined) {
      headers.set("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
      headers.set("access-control-allow-origin", "*");
      headers.set("access-control-allow-methods", METHODS);
      const asked = c.req.header("access-control-request-headers");
      if (asked) headers.set("access-control-allow-headers", asked);
    }
    c.res = new Response(null, { status: 204, headers });
    return;
  }
  await next();
  c.res.headers.append("vary", "Origin");
  if (origin === undefined) return;
  c.res.headers.set("access-control-allow-origin", "*");
  c.res.headers.set("access-control-expose-headers", EXPOSED);
});
