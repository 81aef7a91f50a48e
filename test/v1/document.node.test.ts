import { createHash } from "node:crypto";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scopes } from "../../src/access/scope.ts";
import { type ProblemCode, problems } from "../../src/base/problems.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { admin, type MintedKey, mintKey, registerInstance } from "../harness/relay-client.ts";
import { type Document, type Operation, sample } from "../harness/schema-sample.ts";

let relay: TestRelay;
let server: FakeServer;
let document: Document;
let owner: MintedKey;

type Row = { method: string; path: string; operation: Operation; scope: string | null };
let routes: Row[] = [];

/** What a path or body needs that its schema does not tell. */
const named: Record<string, unknown> = {
  name: "sample",
  url: "https://pb.example.com",
  credential: { token: "a-token" },
  scopes: ["backups:list"],
  key: "sample.zip",
  id: "sample",
  from: 1,
  types: ["*"],
};

beforeAll(async () => {
  [relay, server] = await Promise.all([startRelay(), startFake()]);
  await registerInstance(relay, { url: server.url, email: server.fake.email, password: server.fake.password });
  owner = await mintKey(relay, { preset: "owner", quotas: {} });
  document = (await (await fetch(`${relay.url}/openapi.json`)).json()) as Document;
  routes = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
      scope: operation["x-scope"] as string | null,
    })),
  );
});
afterAll(async () => {
  await relay?.stop();
  await server?.stop();
});

type Answer = { status: number; headers: Headers; text: string; json: Record<string, unknown> | null };

async function call({ method, path, operation }: Row, as: string | null, more: Record<string, string> = {}) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => String(named[name]));
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const json = type === "application/json" ? sample(document, content!.schema, named) : undefined;
  const form = new FormData();
  form.append("file", new File(["PK"], "sample.zip"));
  const body = more.body ?? (json !== undefined ? JSON.stringify(json) : type ? form : undefined);
  const answer = await fetch(relay.url + filled + (more.query ?? ""), {
    method,
    headers: { ...(as ? { authorization: as } : {}), ...(json !== undefined ? { "content-type": type! } : {}) },
    body: method === "GET" || method === "HEAD" ? undefined : body,
    signal: AbortSignal.timeout(20_000),
  });
  const text = path.endsWith("/stream") && answer.ok ? "" : await answer.text();
  if (path.endsWith("/stream") && answer.ok) await answer.body?.cancel();
  let parsed: Record<string, unknown> | null = null;
  try {
    parsed = JSON.parse(text);
  } catch {
    // A page, an archive or nothing.
  }
  return { status: answer.status, headers: answer.headers, text, json: parsed } satisfies Answer;
}

const title = ({ method, path }: Row) => `${method} ${path}`;

/** Any refusal: PocketBase's shape, our fields, a code of the catalogue with its status. */
function isProblem(answer: Answer, row: Row): ProblemCode {
  if (row.method === "HEAD") return "internal";
  expect(answer.headers.get("content-type"), title(row)).toBe("application/json");
  const code = answer.json?.code as ProblemCode;
  expect(problems[code]?.status, `${title(row)}: ${answer.text}`).toBe(answer.status);
  expect(answer.json).toEqual({
    status: answer.status,
    code,
    message: expect.any(String),
    hint: expect.any(String),
    requestId: answer.headers.get("x-request-id"),
    data: expect.any(Object),
  });
  return code;
}

describe("the OpenAPI document", () => {
  it("is valid 3.1", async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document) as never);
    expect(result).toMatchObject({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  it("says of every route who may call it, what it does and what it answers", () => {
    expect(routes.length).toBeGreaterThan(40);
    for (const row of routes) {
      const { operation, scope } = row;
      expect([null, "admin", "public", ...scopes], title(row)).toContain(scope);
      expect(operation.summary?.length, title(row)).toBeGreaterThan(8);
      expect(operation.tags, title(row)).toHaveLength(1);
      expect(operation.responses.default, title(row)).toBeDefined();
      const good = Object.keys(operation.responses).filter((status) => /^2\d\d$/.test(status));
      expect(good.length, title(row)).toBeGreaterThan(0);
      for (const { description } of Object.values(operation.responses))
        expect(description?.length, title(row)).toBeGreaterThan(5);
      const inPath = [...row.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const documented = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
      expect(documented.map(({ name }) => name).sort(), title(row)).toEqual(inPath.sort());
    }
  });

  it("needs a credential for whatever is not public", async () => {
    for (const row of routes) {
      const answer = await call(row, null);
      if (row.scope === "public") {
        expect([200, 304, 400, 401, 404], title(row)).toContain(answer.status);
        continue;
      }
      const isDownload = row.path === "/api/backups/{key}" && row.operation["x-scope"] === "backups:download";
      expect(answer.status, title(row)).toBe(isDownload ? 403 : 401);
      const code = isProblem(answer, row);
      if (row.method !== "HEAD") expect(code).toBe(isDownload ? "ticket_refused" : "unauthenticated");
    }
  });

  it("refuses a key without the scope and names it; the administrator's calls refuse every key", async () => {
    for (const scope of scopes) {
      const rest = scopes.filter((each) => each !== scope);
      const { key } = await mintKey(relay, { scopes: rest });
      for (const row of routes.filter((each) => each.scope === scope)) {
        const answer = await call(row, key);
        expect(answer.status, title(row)).toBe(403);
        if (row.method === "HEAD") continue;
        expect(isProblem(answer, row), title(row)).toBe("scope_missing");
        expect(answer.json?.hint, title(row)).toContain(scope);
      }
    }
    for (const row of routes.filter(({ scope }) => scope === "admin")) {
      const answer = await call(row, owner.key);
      expect([answer.status, isProblem(answer, row)], title(row)).toEqual([403, "admin_only"]);
    }
  });

  it("lets any living key make the calls that need no scope", async () => {
    const { key } = await mintKey(relay, { scopes: ["audit:read"] });
    for (const row of routes.filter(({ scope }) => scope === null)) {
      const answer = await call(row, key);
      expect([401, 403], `${title(row)}: ${answer.text}`).not.toContain(answer.status);
    }
  });

  it("refuses what is mistyped on every route of /v1, by the field's name", async () => {
    for (const row of routes.filter(({ path }) => path.startsWith("/v1/"))) {
      const as = row.scope === "public" ? null : relay.adminToken;
      const query = await call(row, as, { query: "?mistyped=1" });
      expect([query.status, isProblem(query, row)], `${title(row)}: ${query.text}`).toEqual([400, "invalid_request"]);
      expect(query.json?.data, title(row)).toHaveProperty("mistyped");
      if (!row.operation.requestBody || row.path.startsWith("/v1/nudge/")) continue;
      const body = await call(row, as, { body: '{"mistyped":1}' });
      expect([body.status, isProblem(body, row)], `${title(row)}: ${body.text}`).toEqual([400, "invalid_request"]);
      expect(body.json?.data, title(row)).toHaveProperty("mistyped");
    }
  });

  it("has an error case for every drop-in call", async () => {
    const cases: Record<string, [string | null, number, ProblemCode]> = {
      "GET /api/backups": [owner.key, 503, "upstream_unreachable"],
      "POST /api/backups": [owner.key, 503, "upstream_unreachable"],
      "POST /api/backups/upload": [owner.key, 400, "upload_not_zip"],
      "GET /api/backups/{key}": [owner.key, 503, "upstream_unreachable"],
      "HEAD /api/backups/{key}": [owner.key, 503, "upstream_unreachable"],
      "DELETE /api/backups/{key}": [owner.key, 503, "upstream_unreachable"],
      "POST /api/backups/{key}/restore": [owner.key, 503, "upstream_unreachable"],
      "POST /api/files/token": [relay.adminToken, 403, "credential_refused"],
      "GET /api/health": [owner.key, 503, "upstream_unreachable"],
      "POST /api/collections/_superusers/auth-with-password": [null, 400, "login_failed"],
      "POST /api/collections/_superusers/auth-refresh": [relay.adminToken, 403, "credential_refused"],
    };
    const dropIn = routes.filter(({ path }) => path.startsWith("/api/"));
    expect(dropIn.map(title).sort()).toEqual(Object.keys(cases).sort());
    server.fake.faults.add({ kind: "down" });
    try {
      for (const row of dropIn) {
        const [as, status, code] = cases[title(row)]!;
        const answer = await call(row, as);
        expect(answer.status, `${title(row)}: ${answer.text}`).toBe(status);
        if (row.method !== "HEAD") expect(isProblem(answer, row), title(row)).toBe(code);
      }
    } finally {
      server.fake.faults.clear();
    }
  });

  it("describes what reading really answers", async () => {
    await server.fake.make("described.zip");
    await admin(relay, "/v1/backups", { body: { name: "made.zip" } });
    await mintKey(relay, { preset: "robot", quotas: { "backups:create": 1 }, ratePerMinute: 5 });
    // z.strictObject closes answers in the document where the route does; others may have more fields.
    const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { binary: true, "date-time": true } });
    ajv.addSchema({ $id: "doc", ...document });
    const parameters: Record<string, string> = { "/v1/instances/{name}": "demo", "/v1/keys/{id}": owner.id };
    const operations = (await (await admin(relay, "/v1/operations")).json()) as { items: { id: string }[] };
    const [operation] = operations.items;
    parameters["/v1/operations/{id}"] = operation!.id;
    let described = 0;
    // What the caller may do is answered in one shape to keys and in another to the administrator.
    const reads = routes
      .filter(({ method }) => method === "GET")
      .flatMap((row) =>
        (row.path === "/v1/keys/self" ? [owner.key, relay.adminToken] : [relay.adminToken]).map((as) => ({ row, as })),
      );
    for (const { row, as } of reads) {
      const own = parameters[row.path];
      if (row.path.includes("{") && own === undefined) continue;
      const path = row.path.replace(/\{\w+\}/, own ?? "");
      const answer = await call({ ...row, path }, as);
      const schema = row.operation.responses[answer.status]?.content?.["application/json"]?.schema;
      if (!schema || answer.status !== 200) continue;
      const pointer = `doc#/paths/${row.path.replaceAll("/", "~1").replace("{", "%7B").replace("}", "%7D")}/get/responses/200/content/application~1json/schema`;
      const valid = ajv.validate({ $ref: pointer }, answer.json);
      expect(ajv.errors ?? [], `${title(row)}: ${answer.text}`).toEqual([]);
      expect(valid).toBe(true);
      described++;
    }
    expect(described).toBeGreaterThanOrEqual(12);
  });
});

describe("/docs", () => {
  it("is one page with every route, a strict policy, no script and nothing from elsewhere (SECURITY 27)", async () => {
    const answer = await fetch(`${relay.url}/docs`);
    const page = await answer.text();
    expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
    for (const { path } of routes) expect(page).toContain(path);
    const policy = Object.fromEntries(
      answer.headers
        .get("content-security-policy")!
        .split("; ")
        .map((directive) => directive.split(/ (.*)/)),
    );
    const style = /<style>(.*?)<\/style>/s.exec(page)![1]!;
    const hash = createHash("sha256").update(style).digest("base64");
    expect(policy).toEqual({
      "default-src": "'none'",
      "style-src": `'sha256-${hash}'`,
      "frame-ancestors": "'none'",
      "base-uri": "'none'",
      "form-action": "'none'",
    });
    expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
    expect(page).not.toMatch(/<script|javascript:|\son\w+=|<form|<input|<iframe|<img|<link|@import|url\(/i);
    expect(page.match(/(?:src|href)="[^"]*"/g)).toEqual(['href="/openapi.json"']);
    expect(page).not.toMatch(/https?:\/\//);
  });
});
