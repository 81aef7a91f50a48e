import { once } from "../base/once.ts";
import { publicPrefix } from "../edge/public-path.ts";
import { version } from "../version.ts";
import { docsPage, styleHash } from "./docs-page.ts";
import type { Relay } from "./route.ts";

const csp = () =>
  `default-src 'none'; style-src '${styleHash()}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

/** Uploads a file that is too large for Cloudflare straight to the server; the README shows the same command. */
const DIRECT_UPLOAD = 'curl -f "$PB/api/backups/upload" -H "Authorization: $SUPERUSER_TOKEN" -F "file=@big.zip"';

/** What the OpenAPI document says about the relay as a whole. */
const about = {
  openapi: "3.1.0" as const,
  info: {
    title: "Backup Relay",
    version,
    description: `Scoped API keys in front of the Backups API of PocketBase and BosBase. \`/api/*\` is PocketBase's own contract; \`/v1/*\` is the relay's. Uploads through Cloudflare are capped at 100 MB on Free and Pro zones before the relay sees them: send larger files straight to the server, \`${DIRECT_UPLOAD}\`.`,
    license: { name: "MIT" },
  },
  security: [{ bearer: [] }],
};

/** `/openapi.json`, generated from the rows of the routes, and `/docs`, generated from that. */
export function mountDocs(app: Relay): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API key, a session, or the administrator's token.",
  });

  // Made once: anybody may ask, and making it takes tens of milliseconds.
  const document = once(() => app.getOpenAPI31Document(about));
  /** By the address that the deployment told: one, or none. */
  const texts = new Map<string | null, string>();
  const json = (publicUrl: string | null): string => {
    const servers = publicUrl === null ? {} : { servers: [{ url: publicUrl }] };
    const text = texts.get(publicUrl) ?? JSON.stringify({ ...document(), ...servers });
    texts.set(publicUrl, text);
    return text;
  };
  const page = once(() => docsPage(document()));
  const policy = once(csp);
  app.get("/openapi.json", (c) =>
    c.body(json(c.get("settings").publicUrl), 200, { "content-type": "application/json" }),
  );
  app.get("/docs", (c) =>
    c.html(
      page().replace('href="/', () => `href="${publicPrefix(c.get("settings"))}/`),
      200,
      {
        "content-security-policy": policy(),
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
      },
    ),
  );
}
