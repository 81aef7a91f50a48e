import { OpenAPIHono } from "@hono/zod-openapi";
import { mountAuth } from "./api/auth.ts";
import { mountBackups } from "./api/backups.ts";
import { cors } from "./api/cors.ts";
import { mountFileToken } from "./api/file-token.ts";
import { mountHealth } from "./api/health.ts";
import { dropInPaths } from "./api/routes.ts";
import { problem } from "./base/problem.ts";
import { type AppEnv, refuse } from "./edge/context.ts";
import { requestContext } from "./edge/request-context.ts";
import { mountAudit } from "./v1/audit.ts";
import { mountBackupViews } from "./v1/backups.ts";
import { mountDocs } from "./v1/docs.ts";
import { mountEvents } from "./v1/events.ts";
import { mountInstances } from "./v1/instances.ts";
import { mountKeys } from "./v1/keys.ts";
import { mountNudge } from "./v1/nudge.ts";
import { mountOperations } from "./v1/operations.ts";
import { refusedInput } from "./v1/route.ts";
import { mountWebhooks } from "./v1/webhooks.ts";

/** The whole relay from the outside: what is done to every request, then every route by its surface. */
export function buildApp(): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>({ defaultHook: refusedInput });

  app.use(requestContext);
  app.use("/api/*", cors);

  mountHealth(app);
  mountAuth(app);
  mountFileToken(app);
  mountBackups(app);
  for (const path of dropInPaths) app.openAPIRegistry.registerPath(path);

  mountInstances(app);
  mountKeys(app);
  mountBackupViews(app);
  mountOperations(app);
  mountEvents(app);
  mountWebhooks(app);
  mountNudge(app);
  mountAudit(app);
  mountDocs(app);

  app.notFound((c) => {
    // PocketBase serves files on unknown GET paths, and says so when there is none.
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
