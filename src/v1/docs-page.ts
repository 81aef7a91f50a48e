import { createHash } from "node:crypto";

/** What the page needs of an OpenAPI document. */
type Document = {
  info: { title: string; version: string; description?: string };
  paths?: { [path: string]: object };
};
type DocumentedRoute = {
  summary?: string;
  description?: string;
  tags?: string[];
  "x-scope"?: string | null;
  responses?: Record<string, { description?: string }>;
};

const METHODS = ["get", "head", "post", "put", "patch", "delete"];

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Escaped, with code in backticks marked up: the only Markdown that descriptions use. */
const withCode = (text: string): string => escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>");

const scopeText = (scope: string | null | undefined): string =>
  scope === "public" ? "no credential" : scope === "admin" ? "administrator" : (scope ?? "any key");

/** The reference as one page of HTML without scripts, forms or anything from other servers. */
export function docsPage(document: Document): string {
  const groups = new Map<string, string[]>();
  for (const [path, item] of Object.entries(document.paths ?? {}))
    for (const method of METHODS) {
      const row = (item as { [method: string]: DocumentedRoute | undefined })[method];
      if (!row) continue;
      const answers = Object.entries(row.responses ?? {})
        .map(([status, { description }]) => `<li><code>${escaped(status)}</code> ${escaped(description ?? "")}</li>`)
        .join("");
      const tag = row.tags?.[0] ?? "Other";
      const rows = groups.get(tag) ?? [];
      groups.set(tag, rows);
      rows.push(
        `<details><summary><b>${method.toUpperCase()}</b> <code>${escaped(path)}</code> <i>${escaped(scopeText(row["x-scope"]))}</i><br>${escaped(row.summary ?? "")}</summary><p>${withCode(row.description ?? "")}</p><ul>${answers}</ul></details>`,
      );
    }
  const sections = [...groups].map(([tag, rows]) => `<h2>${escaped(tag)}</h2>${rows.join("")}`).join("");
  const { title, version, description } = document.info;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${STYLE}</style>
<h1>${escaped(title)} ${escaped(version)}</h1><p>${withCode(description ?? "")}</p>
<p>The same as a document for tools: <a href="/openapi.json">/openapi.json</a>.</p>${sections}</html>`;
}

/** For the content security policy: only this style is allowed, so text that got into the page cannot add another. */
export const styleHash = (): string => `sha256-${createHash("sha256").update(STYLE).digest("base64")}`;

const STYLE =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}details{border:1px solid #d0d7de;border-radius:6px;margin:.5rem 0;padding:.5rem .75rem}summary{cursor:pointer}code{font-size:.95em}i{color:#57606a;float:right}@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}details{border-color:#30363d}a{color:#58a6ff}i{color:#8b949e}}";
