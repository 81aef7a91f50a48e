import { z } from "@hono/zod-openapi";
import { version } from "../version.ts";
import { docsPage, styleHash } from "./docs-page.ts";
import { type Relay, route, serve } from "./route.ts";

const health = route({
  method: "get",
  path: "/v1/health",
  tag: "Relay",
  summary: "For load balancers: no credential, no upstream call",
  scope: "public",
  answers: {
    200: { description: "The relay answers.", schema: z.object({ status: z.literal("ok"), version: z.string() }) },
  },
});

const csp = () =>
  `default-src 'none'; style-src '${styleHash()}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

/** Around the cap on bodies: with the superuser's own token, past the relay. As in the README. */
const AROUND = 'curl -f "$PB/api/backups/upload" -H "Authorization: $SUPERUSER_TOKEN" -F "file=@big.zip"';

/** The document about itself. */
const about = {
  openapi: "3.1.0" as const,
  info: {
    title: "Backup Relay",
    version,
    description: `Scoped API keys in front of the Backups API of PocketBase and BosBase. \`/api/*\` is PocketBase's own contract; \`/v1/*\` is the relay's. Uploads through Cloudflare are capped at 100 MB on Free and Pro zones before the relay sees them: send larger files straight to the server, \`${AROUND}\`.`,
    license: { name: "MIT" },
  },
  security: [{ bearer: [] }],
};

/** `/v1/health`, `/openapi.json` and `/docs`: made from the routes, so they cannot tell another story. */
export function mountDocs(app: Relay): void {
  serve(app, health, (c) => c.json({ status: "ok" as const, version }, 200));

  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API key, a session, or the administrator's token.",
  });

  const document = () => app.getOpenAPI31Document(about);
  app.get("/openapi.json", (c) => c.json(document()));
  app.get("/docs", (c) =>
    c.html(docsPage(document()), 200, {
      "content-security-policy": csp(),
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
    }),
  );
}
