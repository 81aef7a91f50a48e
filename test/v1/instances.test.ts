import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { Instance } from "../../src/instances/instance.ts";
import { SOON } from "../harness/waiting.ts";
import { anInstance, aServer, bindings, call, directory, rows, type TestServer, tablesOf } from "../harness/worker.ts";

const registration = ({ url, fake }: TestServer, more: Record<string, unknown> = {}) => ({
  name: `own-${url.replace(/\D/g, "")}`,
  url,
  credential: { email: fake.email, password: fake.password },
  ...more,
});
const register = (server: TestServer, more: Record<string, unknown> = {}) =>
  call("/v1/instances", { body: registration(server, more) });

describe("registering a server", () => {
  it("answers what the check found, and a nudge that is shown only here", async () => {
    const server = aServer();
    const answer = await register(server);
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({
      state: "reachable",
      url: server.url,
      credential: { kind: "password", email: server.fake.email },
      check: { reachable: true, authorized: true, flavour: "pocketbase", idle: true, storage: "local" },
      newestBackup: null,
      locked: [],
      nudge: { url: expect.stringMatching(/^\/v1\/nudge\/[0-9A-Za-z]{14}$/), secret: expect.any(String) },
    });
    expect(answer.text).not.toContain(server.fake.password);
    const read = await call(`/v1/instances/${answer.json.name}`);
    expect(read.status).toBe(200);
    expect(read.json).not.toHaveProperty("nudge");
  });

  it("takes an impersonate token, extra headers and a path prefix, and shows none of the secrets", async () => {
    const server = aServer({ prefix: "/pb" });
    const token = server.fake.impersonate();
    const headers = { "CF-Access-Client-Secret": "tunnel-secret-value" };
    const answer = await register(server, { credential: { token }, headers });
    expect(answer.status).toBe(201);
    expect(answer.json.url).toMatch(/\/pb$/);
    expect(answer.json.credential).toEqual({ kind: "token", expires: expect.any(String) });
    expect(answer.text).not.toContain(token);
    expect(answer.text).not.toContain("tunnel-secret-value");
    const sent = server.fake.requests.map((request) => request.headers["cf-access-client-secret"]);
    expect(new Set(sent)).toEqual(new Set(["tunnel-secret-value"]));
  });

  const reasons: [string, string, (server: TestServer) => Record<string, unknown> | undefined, RegExp][] = [
    ["a wrong password", "0.40.6", ({ fake }) => ({ credential: { email: fake.email, password: "no" } }), /credential/],
    ["PocketBase 0.22", "0.22.27", () => undefined, /0\.22 or older/],
    ["an IP list", "0.40.6", ({ fake }) => void fake.faults.add({ kind: "ipRefused" }), /superuser IPs/],
    ["a server that is down", "0.40.6", ({ fake }) => void fake.faults.add({ kind: "down" }), /reached/],
    ["a login page", "0.40.6", ({ fake }) => void fake.faults.add({ kind: "redirect", to: "https://x/" }), /redirect/],
    ["another program", "0.40.6", ({ fake }) => void fake.faults.add({ kind: "html", status: 404 }), /./],
  ];
  it.each(reasons)(
    "refuses %s with the reason and keeps nothing, unless forced",
    async (_what, version, mar, reason) => {
      const server = aServer({ version: version as "0.40.6" });
      const more = mar(server) ?? {};
      const refused = await register(server, more);
      expect(refused.status).toBe(422);
      expect(refused.json.code).toBe("check_failed");
      expect(refused.json.message).toMatch(reason);
      expect(refused.json.hint).not.toBe("");
      const forced = await register(server, { ...more, force: true });
      expect(forced.status).toBe(201);
      expect(forced.json.check.warnings[0].message).toBe(refused.json.message);
      expect(forced.json.state).not.toBe("reachable");
    },
  );

  it("tells that BosBase's backups hold no database", async () => {
    const answer = await register(aServer({ version: "bosbase" }));
    expect(answer.status).toBe(201);
    expect(answer.json.check.flavour).toBe("bosbase");
    const codes = answer.json.check.warnings.map(({ code }: { code: string }) => code);
    expect(codes).toContain("no_database_in_backups");
  });

  it("wipes an object whose registration was refused", async () => {
    const server = aServer();
    server.fake.faults.add({ kind: "down" });
    const known = new Set((await rows<{ id: string }>(directory(), "SELECT id FROM instances")).map(({ id }) => id));
    let id: string | null = null;
    const refused = register(server);
    while (id === null) {
      const all = await rows<{ id: string }>(directory(), "SELECT id FROM instances");
      id = all.find((row) => !known.has(row.id))?.id ?? null;
    }
    expect((await refused).status).toBe(422);
    expect(await tablesOf(id)).toEqual([]);
  });

  it.each([
    ["a name in capitals", { name: "Demo" }, "name"],
    ["a name that begins with a digit", { name: "1st" }, "name"],
    ["a user in the address", { url: "https://a:b@pb.example.com" }, "url"],
    ["a query in the address", { url: "https://pb.example.com/?a=1" }, "url"],
    ["plain http to a public address", { url: "http://pb.example.com" }, "url"],
    ["a metadata address", { url: "http://169.254.169.254" }, "url"],
    ["an unknown field", { verify_: true }, "verify_"],
    ["an unknown field inside the credential", { credential: { token: "t", tok: "t" } }, "credential.tok"],
    ["half a credential", { credential: { email: "a@example.com" } }, "credential.password"],
    ["a header of the relay's own", { headers: { authorization: "x" } }, "headers"],
    [
      "eleven headers",
      { headers: Object.fromEntries([..."abcdefghijk"].map((name) => [`x-${name}`, "1"])) },
      "headers",
    ],
    ["a text for a number", { pollSeconds: "120" }, "pollSeconds"],
  ])("refuses %s and names the field", async (_what, wrong, field) => {
    const answer = await register(aServer(), wrong);
    expect(answer.status).toBe(400);
    expect(answer.json.code).toBe("invalid_request");
    expect(Object.keys(answer.json.data)).toEqual([field]);
  });

  it("gives a name only once", async () => {
    const { name } = await anInstance();
    const again = await register(aServer(), { name });
    expect(again.status).toBe(409);
    expect(again.json.code).toBe("name_taken");
  });

  it("refuses in words what is no JSON, no JSON type, or too large", async () => {
    const body = (text: string, type: string) =>
      call("/v1/instances", { body: text, headers: { "content-type": type } });
    const broken = await body('{"name":', "application/json");
    expect([broken.status, broken.json.code]).toEqual([400, "body_unreadable"]);
    const form = await body("name=demo", "application/x-www-form-urlencoded");
    expect([form.status, form.json.code]).toEqual([415, "media_type_refused"]);
    const large = await body(JSON.stringify({ name: "x".repeat(300_000) }), "application/json");
    expect([large.status, large.json.code]).toEqual([413, "body_too_large"]);
    expect((await body("[]", "application/json")).status).toBe(400);
  });
});

describe("looking and changing", () => {
  it("checks at any time, and a bad finding is an answer", async () => {
    const { fake, name } = await anInstance();
    fake.faults.add({ kind: "down" });
    const answer = await call(`/v1/instances/${name}/check`, { method: "POST" });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ reachable: false, authorized: false, idle: null });
    expect(answer.json.warnings[0].code).toBe("upstream_unreachable");
    expect((await call(`/v1/instances/${name}`)).json.state).toBe("unreachable");
  });

  it("lists by name, page by page", async () => {
    const names = [(await anInstance()).name, (await anInstance()).name, (await anInstance()).name];
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await call(`/v1/instances?limit=2${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      expect(page.status).toBe(200);
      expect(page.json.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.json.items.map((item: { name: string }) => item.name));
      cursor = page.json.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual([...new Set(seen)].sort());
    for (const name of names) expect(seen).toContain(name);
  });

  it("sends no stored credential to another address (SECURITY 20)", async () => {
    const { name, fake } = await anInstance({}, { headers: { "x-tunnel": "tunnel-secret" } });
    const other = aServer({ email: fake.email, password: fake.password });
    const change = (body: unknown) => call(`/v1/instances/${name}`, { method: "PATCH", body });
    const refused = await change({ url: other.url });
    expect(refused.status).toBe(400);
    expect(refused.json.code).toBe("credential_required");
    expect(other.fake.requests).toEqual([]);
    const moved = await change({ url: other.url, credential: { email: fake.email, password: fake.password } });
    expect(moved.status).toBe(200);
    expect(moved.json.url).toBe(other.url);
    expect(other.fake.requests.length).toBeGreaterThan(0);
    // The headers were meant for the former host too.
    expect(other.fake.requests.every(({ headers }) => headers["x-tunnel"] === undefined)).toBe(true);
  });

  it("changes a path prefix, the poll and the expectation with the credential it has", async () => {
    const { name, url } = await anInstance();
    const answer = await call(`/v1/instances/${name}`, {
      method: "PATCH",
      body: { url: `${url}/`, pollSeconds: 60, expect: { everySeconds: 3600, graceSeconds: 60 }, verify: false },
    });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ pollSeconds: 60, expect: { everySeconds: 3600, graceSeconds: 60 } });
    const back = await call(`/v1/instances/${name}`, { method: "PATCH", body: { pollSeconds: null, expect: null } });
    expect(back.json).toMatchObject({ pollSeconds: 120, expect: null });
    const renamed = await call(`/v1/instances/${name}`, { method: "PATCH", body: { name: "other" } });
    expect(renamed.status).toBe(400);
    expect(renamed.json.data).toHaveProperty("name");
  });

  it("shows the names of extra headers, never a value", async () => {
    const { name } = await anInstance({}, { headers: { "X-Tunnel": "tunnel-secret-value" } });
    const read = await call(`/v1/instances/${name}`);
    expect(read.json.headers).toEqual(["x-tunnel"]);
    const gone = await call(`/v1/instances/${name}`, { method: "PATCH", body: { headers: null } });
    expect(gone.json.headers).toEqual([]);
  });

  it("keeps the former credential for a restore that brings its superuser back, and not for another server", async () => {
    const { name, stub, fake } = await anInstance();
    const names = async () =>
      (await rows<{ name: string }>(stub, "SELECT name FROM sealed ORDER BY name")).map((row) => row.name);
    const token = fake.impersonate();
    await call(`/v1/instances/${name}`, { method: "PATCH", body: { credential: { token } } });
    expect(await names()).toEqual(["credential", "headers", "nudgeSecret", "previousCredential", "sessionKey"]);
    const other = aServer();
    const { email, password } = other.fake;
    const moved = { url: other.url, credential: { email, password } };
    expect((await call(`/v1/instances/${name}`, { method: "PATCH", body: moved })).status).toBe(200);
    expect(await names()).toEqual(["credential", "headers", "nudgeSecret", "sessionKey"]);
  });

  it("seals anew by the alarm, untouched by any request, what a former ENCRYPTION_KEY sealed (SECURITY 21)", async () => {
    const { stub } = await anInstance();
    const sealed = () => rows<{ name: string; value: string }>(stub, "SELECT name, value FROM sealed ORDER BY name");
    const before = await sealed();
    expect(before).toHaveLength(4);
    await runInDurableObject(stub, async (_object, state) => {
      const keys = `${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))},${bindings.ENCRYPTION_KEY}`;
      // The same storage under another setting, as after a deployment (simulated).
      await new Instance(state, { ...bindings, ENCRYPTION_KEY: keys }).alarm();
    });
    const after = await vi.waitUntil(async () => {
      const now = await sealed();
      return now.every(({ value }, n) => value !== before[n]!.value) && now;
    }, SOON);
    const mark = (value: string) => value.split(".")[1];
    expect(new Set(after.map(({ value }) => mark(value))).size).toBe(1);
    expect(mark(after[0]!.value)).not.toBe(mark(before[0]!.value));
  });

  it("keeps credentials and headers sealed: no row holds them", async () => {
    const { stub, fake } = await anInstance({}, { headers: { "x-tunnel": "tunnel-secret-value" } });
    const everything = await runInDurableObject(stub, (_object, { storage }) =>
      storage.sql
        .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%cf_%'")
        .toArray()
        .map(({ name }) => JSON.stringify(storage.sql.exec(`SELECT * FROM "${name}"`).toArray()))
        .join("\n"),
    );
    expect(everything).toContain("s1.");
    expect(everything).not.toContain(fake.password);
    expect(everything).not.toContain("tunnel-secret-value");
  });
});

describe("removing", () => {
  it("needs its name as confirmation", async () => {
    const { name } = await anInstance();
    for (const query of ["", "?confirm=other"]) {
      const answer = await call(`/v1/instances/${name}${query}`, { method: "DELETE" });
      expect([answer.status, answer.json.code]).toEqual([400, "confirmation_required"]);
    }
    expect((await call(`/v1/instances/${name}`)).status).toBe(200);
  });

  it("ends its keys at once, leaves nothing stored and frees the name", async () => {
    const { name, id, stub, url, fake, mint } = await anInstance();
    const { key } = await mint();
    expect((await call("/api/backups", { as: key })).status).toBe(200);
    const removed = await call(`/v1/instances/${name}?confirm=${name}`, { method: "DELETE" });
    expect([removed.status, removed.text]).toEqual([204, ""]);
    const after = await call("/api/backups", { as: key, address: "198.51.100.9" });
    expect([after.status, after.json.code]).toEqual([401, "unauthenticated"]);
    expect((await call("/v1/keys", { instance: name })).json.code).toBe("instance_not_found");
    // The live object itself refuses, whoever reaches it.
    const caller = { credential: { kind: "admin" as const }, address: null, userAgent: "", requestId: "r" };
    expect(await stub.perform(caller, { do: "backups.list" })).toMatchObject({ result: { ok: false } });
    expect(await stub.describe()).toBeNull();
    expect(await tablesOf(id)).toEqual([]);
    await runInDurableObject(stub, async (_object, { storage }) => expect(await storage.getAlarm()).toBeNull());
    const again = await register({ url, fake }, { name });
    expect(again.status).toBe(201);
    expect(again.json.id).not.toBe(id);
  });

  it("ends a command that was waiting", async () => {
    const { name, fake, mint } = await anInstance({ pace: { create: 500 } });
    const { key } = await mint();
    const waiting = call("/api/backups", { method: "POST", as: key });
    await vi.waitUntil(() => fake.requests.some(({ call: what }) => what === "create"), SOON);
    await call(`/v1/instances/${name}?confirm=${name}`, { method: "DELETE" });
    expect((await waiting).status).toBe(401);
  });
});
