import { OpenAPIHono } from "@hono/zod-openapi";
import { cors } from "./api/cors.ts";
import { mountDropIn } from "./api/routes.ts";
import { problem } from "./base/problem.ts";
import { type AppEnv, refuse } from "./edge/context.ts";
import { requestContext } from "./edge/request-context.ts";
import { mountDocs } from "./v1/docs.ts";
import { mountV1 } from "./v1/routes.ts";

/** The whole Worker: middleware, then the routes of each surface, then what answers when none matches or one throws. */
export function buildApp(): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();

  app.use(requestContext);
  app.use("/api/*", cors);

  mountDropIn(app);
  mountV1(app);
  mountDocs(app);

  app.notFound((c) => {
    // PocketBase looks for a file at unknown GET paths, and answers in these words when there is none.
    const isFile = c.req.method === "GET" && c.req.path.startsWith("/api/");
    return refuse(c, problem("not_found", isFile ? { message: "File not found." } : {}));
  });
  app.onError((error, c) => {
    // The error's own text may hold anything, tokens in URLs included: only its kind is logged.
    console.error(`request ${c.get("requestId")}: ${error instanceof Error ? error.name : "unknown error"}`);
    return refuse(c, problem("internal"));
  });
  return app;
}
