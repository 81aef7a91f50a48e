import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { root } from "../../scripts/root.ts";
import { mintKeyText, parseKeyText } from "../../src/access/token.ts";
import { base64url, utf8 } from "../../src/base/encoding.ts";
import { randomBase62, secureRandom } from "../../src/base/random.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { admin, endOf, mintKey, registerInstance } from "../harness/relay-client.ts";
import { filesIn, storedRows } from "../harness/stored-rows.ts";
import { SOON } from "../harness/waiting.ts";

/** A proxy on this machine tells who asks: every request can come from somewhere else. */
const behindProxy = { CLIENT_ADDRESS: "header:x-client", TRUSTED_PROXIES: "127.0.0.0/8" };

let relay: TestRelay;
let server: FakeServer;

const superuser = () => ({ url: server.url, email: server.fake.email, password: server.fake.password });
const get = (path: string, as: string | null, headers: Record<string, string> = {}) =>
  fetch(relay.url + path, { headers: { ...(as ? { authorization: as } : {}), ...headers } });
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into field by field
const json = async (answer: Response | Promise<Response>): Promise<any> => (await answer).json();

beforeAll(async () => {
  [relay, server] = await Promise.all([startRelay({ settings: behindProxy }), startFake()]);
  await registerInstance(relay, superuser());
  await server.fake.make("a.zip");
});
afterAll(async () => {
  await relay?.stop();
  await server?.stop();
});

describe("made-up ids", () => {
  it("by the thousand open no object and leave no file (SECURITY 6)", async () => {
    const { key } = await mintKey(relay);
    const genuine = parseKeyText(key)!;
    await get("/api/backups", key);
    const before = filesIn(relay.dataDir);
    const id = (length: number) => randomBase62(secureRandom, length);
    const session = (instance: string) => {
      const part = (value: unknown) => base64url(utf8(JSON.stringify(value)));
      const payload = { type: "auth", ins: instance, id: id(10), gen: 1, exp: 9_999_999_999 };
      return `${part({ alg: "HS256", typ: "JWT" })}.${part(payload)}.${id(43)}`;
    };
    const ticket = (instance: string) => {
      const [head, , tail] = session(instance).split(".");
      return `${head}.${base64url(utf8(JSON.stringify({ type: "file", ins: instance })))}.${tail}`;
    };
    const attempts: (() => Promise<Response>)[] = [];
    let from = 0;
    const client = () => ({ "x-client": `10.${++from >> 16}.${(from >> 8) & 255}.${from & 255}` });
    for (let n = 0; n < 250; n++)
      for (const ids of [
        { instance: id(8), tag: id(6) },
        { instance: genuine.instance, tag: id(6) },
      ]) {
        const forged = mintKeyText(secureRandom, { ...genuine, ...ids });
        attempts.push(
          () => get("/api/backups", forged, client()),
          () => get("/v1/keys/self", session(ids.instance + ids.tag), client()),
          () => get(`/api/backups/a.zip?token=${ticket(ids.instance + ids.tag)}`, null, client()),
          () => fetch(`${relay.url}/v1/nudge/${ids.instance}${ids.tag}`, { method: "POST", headers: client() }),
          () => get(`/v1/webhooks/wh_${ids.instance}${ids.tag}${id(8)}/jwks.json`, null, client()),
        );
      }
    const statuses: Record<number, number> = {};
    const work = async () => {
      for (let next = attempts.pop(); next; next = attempts.pop()) {
        const answer = await next();
        await answer.arrayBuffer();
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    // Keys, sessions and nudges; tickets; key sets of webhooks.
    expect(statuses).toEqual({ 401: 1500, 403: 500, 404: 500 });
    expect(filesIn(relay.dataDir)).toEqual(before);
  });
});

describe("the caller's address", () => {
  const seen = async (headers: Record<string, string>) => {
    const { key } = await mintKey(relay, { name: randomBytes(4).toString("hex"), scopes: ["audit:read"] });
    await get("/v1/keys/self", key, headers);
    const self = await json(get("/v1/keys/self", key, headers));
    return self.key.lastUsed.address as string;
  };

  it("is a header's only when a trusted proxy sends it, and then the nearest one's word", async () => {
    expect(await seen({ "x-client": "192.0.2.7" })).toBe("192.0.2.7");
    expect(await seen({ "x-client": "6.6.6.6, 192.0.2.8" })).toBe("192.0.2.8");
    expect(await seen({ "x-forwarded-for": "192.0.2.9", "cf-connecting-ip": "192.0.2.9" })).toBe("127.0.0.1");
    await relay.restart({ ...behindProxy, TRUSTED_PROXIES: "10.0.0.0/8" });
    expect(await seen({ "x-client": "192.0.2.7" })).toBe("127.0.0.1");
  });

  it("is the socket's with CLIENT_ADDRESS=socket, whatever the headers say (SECURITY 7)", async () => {
    await relay.restart({ CLIENT_ADDRESS: "socket", TRUSTED_PROXIES: "" });
    const lies = (address: string) => ({
      "cf-connecting-ip": address,
      "x-forwarded-for": address,
      "x-real-ip": address,
      "true-client-ip": address,
      forwarded: `for=${address}`,
      "x-client": address,
    });
    expect(await seen(lies("192.0.2.7"))).toBe("127.0.0.1");
    const inside = await mintKey(relay, { networks: ["192.0.2.0/24"] });
    expect((await get("/api/backups", inside.key, lies("192.0.2.7"))).status).toBe(403);
    const here = await mintKey(relay, { networks: ["127.0.0.1"] });
    expect((await get("/api/backups", here.key, lies("192.0.2.7"))).status).toBe(200);
    const statuses: number[] = [];
    for (let n = 0; n < 61; n++) statuses.push((await get("/api/backups", "a-guess", lies(`10.0.0.${n}`))).status);
    expect(statuses).toEqual([...Array(60).fill(401), 429]);
    const { items } = await json(
      fetch(`${relay.url}/v1/health`).then(async () => {
        await relay.restart(behindProxy);
        return admin(relay, `/v1/audit?verdict=denied&actor=key:${inside.id}`);
      }),
    );
    expect(items.map(({ address, code }: Record<string, string>) => [address, code])).toEqual([
      ["127.0.0.1", "network_refused"],
    ]);
  });
});

describe("a Host header", () => {
  /** What this answers to a host as it stands, which `fetch` would not send. */
  const asHost = (host: string | string[], path: string, method = "GET") =>
    new Promise<[number, unknown]>((resolve, reject) => {
      const { hostname, port } = new URL(relay.url);
      const sent = request({ hostname, port, path, method, setHost: false }, async (answer) => {
        const text = (await answer.toArray()).join("");
        resolve([answer.statusCode!, /^\{/.test(text) ? JSON.parse(text).code : text]);
      });
      sent.on("error", reject).setHeader("host", host);
      sent.end();
    });

  it("that names no host is 400 on every route, and its path is no part of the request's", async () => {
    const malformed = [
      "127.0.0.1/v1",
      "h:80/v1/",
      "h/v1?",
      "h?a=",
      "h#",
      "u:p@h",
      "a b",
      "a,b",
      "a\\b",
      "h:99999",
      "h:x",
    ];
    malformed.push("[::1", "1.2.3.999", "a..b", "a%2Fv1", ".");
    for (const host of malformed)
      expect([host, ...(await asHost(host, "/health"))]).toEqual([host, 400, "host_refused"]);
    expect(await asHost(["a", "b"], "/v1/health")).toEqual([400, "host_refused"]);
    for (const [method, path] of [
      ["GET", "/v1/health"],
      ["GET", "/api/health"],
      ["GET", "/nowhere"],
      ["GET", "/docs"],
      ["OPTIONS", "/api/backups"],
      ["POST", "/v1/keys"],
      ["DELETE", "/api/backups/a.zip"],
      ["POST", "/api/collections/_superusers/auth-with-password"],
    ] as const)
      expect([path, ...(await asHost("h/v1", path, method))]).toEqual([path, 400, "host_refused"]);
  });

  it("may be any name or address, with a port or without", async () => {
    for (const host of [
      "relay.example.com",
      "RELAY",
      "a_b.example.",
      "127.0.0.1:8787",
      "[::1]:80",
      "[::1]",
      "h:",
      "xn--a",
    ])
      expect([host, (await asHost(host, "/v1/health"))[0]]).toEqual([host, 200]);
  });

  it("is needed in HTTP/1.0 too, which is then answered with the date", async () => {
    const { port } = new URL(relay.url);
    const say = async (text: string) => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(text);
      return (await socket.toArray()).join("");
    };
    expect(await say("OPTIONS / HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.0 400 /);
    const answer = await say("GET /v1/health HTTP/1.0\r\nHost: relay\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.0 200 /);
    expect(answer).toMatch(/^date: \w+, \d\d \w+ \d+ [\d:]+ GMT\r$/im);
  });
});

describe("every answer", () => {
  const asked = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(relay.url + path, { redirect: "manual", ...init });
    await answer.body?.cancel();
    return answer;
  };
  const origin = { origin: "https://app.example.com" };

  it("has a request id, the date and no sniffing, bytes from the server included", async () => {
    const { key } = await mintKey(relay);
    const auth = { authorization: key };
    const date = (await asked("/api/backups/a.zip", { method: "HEAD", headers: auth })).headers.get("last-modified")!;
    const preflight = { ...origin, "access-control-request-method": "GET" };
    const answers: [number, Response][] = [
      [200, await asked("/api/backups", { headers: auth })],
      [200, await asked("/api/backups/a.zip", { headers: auth })],
      [206, await asked("/api/backups/a.zip", { headers: { ...auth, range: "bytes=0-9" } })],
      [304, await asked("/api/backups/a.zip", { headers: { ...auth, "if-modified-since": date } })],
      [416, await asked("/api/backups/a.zip", { headers: { ...auth, range: "bytes=999999999-" } })],
      [404, await asked("/api/backups/missing.zip", { headers: auth })],
      [204, await asked("/api/backups", { method: "OPTIONS", headers: preflight })],
      [401, await asked("/v1/backups")],
      [404, await asked("/nowhere")],
      [404, await asked("/v1/nowhere")],
      [200, await asked("/docs")],
      [200, await asked("/openapi.json")],
      [200, await asked("/v1/health")],
      [200, await asked("/v1/events/stream", { headers: { authorization: relay.adminToken } })],
    ];
    for (const [status, answer] of answers) {
      expect(answer.status, answer.url).toBe(status);
      expect(answer.headers.get("x-request-id"), answer.url).toMatch(/^[0-9A-Za-z]{16}$/);
      expect(answer.headers.get("x-content-type-options"), answer.url).toBe("nosniff");
      const told = answer.headers.get("date")!;
      expect(new Date(told).toUTCString(), answer.url).toBe(told);
      expect(answer.headers.get("cache-control"), answer.url).toMatch(/no-store/);
    }
    const ids = answers.map(([, answer]) => answer.headers.get("x-request-id"));
    expect(new Set(ids).size).toBe(ids.length);
    const sent = await asked("/v1/backups", { headers: { "x-request-id": "mine" } });
    expect(sent.headers.get("x-request-id")).not.toBe("mine");
  });

  it("is readable from other origins on /api alone, and never with credentials (SECURITY 27)", async () => {
    const { key } = await mintKey(relay);
    const auth = { authorization: key, ...origin };
    const open = ["/api/backups", "/api/backups/a.zip", "/api/health", "/api/backups/missing.zip", "/api/nowhere"];
    for (const path of open) {
      const answer = await asked(path, { headers: auth });
      expect(answer.headers.get("access-control-allow-origin"), path).toBe("*");
      expect(answer.headers.get("access-control-allow-credentials"), path).toBeNull();
      expect(answer.headers.get("access-control-expose-headers"), path).toContain("X-Request-Id");
    }
    const closed = ["/v1/backups", "/v1/keys/self", "/v1/health", "/docs", "/openapi.json", "/nowhere", "/apis"];
    for (const path of closed)
      for (const method of ["GET", "OPTIONS"]) {
        const headers = { ...auth, "access-control-request-method": "GET" };
        const answer = await asked(path, { method, headers });
        const allowed = [...answer.headers.keys()].filter((name) => name.startsWith("access-control-"));
        expect(allowed, `${method} ${path}`).toEqual([]);
      }
    const preflight = await asked("/api/backups", {
      method: "OPTIONS",
      headers: {
        ...origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization");
  });
});

describe("our own address", () => {
  /** `fetch` would not send another Host. */
  const withHost = (path: string, init: { method?: string; body?: unknown; as?: string }) =>
    new Promise<{ headers: string; text: string }>((resolve, reject) => {
      const { hostname, port } = new URL(relay.url);
      const headers = {
        host: "attacker.example",
        "x-forwarded-host": "attacker.example",
        authorization: init.as ?? relay.adminToken,
        "content-type": "application/json",
      };
      const sent = request({ hostname, port, path, method: init.method ?? "GET", headers }, (answer) => {
        let text = "";
        answer.on("data", (chunk) => {
          text += chunk;
        });
        answer.on("end", () => resolve({ headers: JSON.stringify(answer.rawHeaders), text }));
      });
      sent.on("error", reject);
      sent.end(init.body === undefined ? undefined : JSON.stringify(init.body));
    });

  it("is never the Host header: not in an answer, not in what is stored (SECURITY 26)", async () => {
    const body = {
      name: "hosted",
      url: server.url,
      credential: { email: server.fake.email, password: server.fake.password },
    };
    const { key } = await mintKey(relay, { preset: "operator" }, "demo");
    const answers = [
      await withHost("/v1/instances", { method: "POST", body }),
      await withHost("/v1/instances/hosted/nudge/rotate", { method: "POST" }),
      await withHost("/v1/backups", { method: "POST", body: { name: "hosted.zip" }, as: key }),
      await withHost("/openapi.json", {}),
      await withHost("/docs", {}),
      await withHost("/nowhere", {}),
    ];
    for (const { headers, text } of answers) expect(headers + text).not.toContain("attacker");
    expect(JSON.parse(answers[0]!.text).nudge).toMatchObject({
      url: expect.stringMatching(/^\/v1\/nudge\//),
      hint: expect.stringMatching(/^PUBLIC_URL is not set/),
    });
    expect(JSON.stringify(storedRows(relay.dataDir))).not.toContain("attacker");
    await relay.restart({ ...behindProxy, PUBLIC_URL: "https://relay.example.com/" });
    const named = await withHost("/v1/instances/hosted/nudge/rotate", { method: "POST" });
    expect(JSON.parse(named.text)).toEqual({
      url: expect.stringMatching(/^https:\/\/relay\.example\.com\/v1\/nudge\//),
      secret: expect.any(String),
    });
    await admin(relay, "/v1/instances/hosted?confirm=hosted", { method: "DELETE" });
  });

  it("may have a path, which every address in an answer then begins with", async () => {
    await relay.restart({ ...behindProxy, PUBLIC_URL: "https://example.com/relay" });
    const { key } = await mintKey(relay, { preset: "operator" }, "demo");
    const make = () =>
      fetch(`${relay.url}/v1/backups`, {
        method: "POST",
        headers: { authorization: key, "content-type": "application/json", "idempotency-key": "once" },
        body: '{"name":"below.zip"}',
      });
    // The second is the stored answer of the first.
    for (let n = 0; n < 2; n++) {
      const made = await make();
      const { id, links } = (await made.json()) as { id: string; links: object };
      const self = `/relay/v1/operations/${id}`;
      expect([made.headers.get("location"), links]).toEqual([self, { self, outcome: `${self}/outcome` }]);
      await endOf(relay, id, "demo");
    }
    expect((await json(get("/openapi.json", null))).servers).toEqual([{ url: "https://example.com/relay" }]);
    expect(await (await get("/docs", null)).text()).toContain('href="/relay/openapi.json"');
    const { nudge } = await registerInstance(relay, superuser(), { name: "below", force: true });
    expect(nudge.url).toMatch(/^https:\/\/example\.com\/relay\/v1\/nudge\//);
    await admin(relay, "/v1/instances/below?confirm=below", { method: "DELETE" });
  });
});

describe("a kill -9", () => {
  it("loses no key, quota, audit row, event or operation", async () => {
    const quota = { preset: "operator", quotas: { "backups:create": 3 } };
    const minted = await Promise.all([mintKey(relay, quota), mintKey(relay), mintKey(relay)]);
    const { id, key } = minted[0]!;
    const create = (name: string) =>
      fetch(`${relay.url}/v1/backups`, {
        method: "POST",
        headers: { authorization: key, "content-type": "application/json" },
        body: JSON.stringify({ name }),
      });
    const ended = async (operation: string) => {
      const look = () => json(get(`/v1/operations/${operation}?wait=20`, key));
      let seen = await look();
      while (["queued", "running"].includes(seen.state)) seen = await look();
      return seen.state as string;
    };
    const creates = () => server.fake.requests.filter(({ call }) => call === "create").length;
    const sent = creates();
    expect(await ended((await json(create("first.zip"))).id)).toBe("succeeded");
    server.fake.world.pace.create = 1_500;
    const second = await json(create("second.zip"));
    await vi.waitUntil(() => server.fake.world.lock !== null, { ...SOON, interval: 10 });
    const before = {
      audit: (await json(admin(relay, "/v1/audit?limit=200"))).items.map((entry: { id: string }) => entry.id),
      keys: (await json(admin(relay, "/v1/keys?limit=200"))).items.map((item: { id: string }) => item.id),
      head: (await json(admin(relay, "/v1/events"))).head as number,
    };
    await relay.kill9();
    await relay.restart();
    server.fake.world.pace.create = 0;

    for (const each of minted) expect((await get("/api/backups", each.key)).status).toBe(200);
    const keys = (await json(admin(relay, "/v1/keys?limit=200"))).items.map((item: { id: string }) => item.id);
    expect(keys).toEqual(before.keys);
    const audit = (await json(admin(relay, "/v1/audit?limit=200"))).items.map((entry: { id: string }) => entry.id);
    expect(audit).toEqual(expect.arrayContaining(before.audit.slice(0, 150)));
    // The create that was under way is settled by looking, and nothing is sent twice.
    expect(await ended(second.id)).toBe("succeeded");
    const third = await create("third.zip");
    expect(third.status).toBe(202);
    expect((await create("fourth.zip")).status).toBe(429);
    expect(await ended((await json(third)).id)).toBe("succeeded");
    expect(creates() - sent).toBe(3);
    const verdict = await json(admin(relay, "/v1/events/verify"));
    expect(verdict).toMatchObject({ ok: true });
    expect(verdict.to).toBeGreaterThanOrEqual(before.head);
    expect(keys).toContain(id);
  });
});

describe("a lost or changed ENCRYPTION_KEY (SECURITY 21)", () => {
  const key = () => randomBytes(32).toString("base64");
  const instance = () => json(admin(relay, "/v1/instances/demo"));

  it("locks what it sealed, names it, and leaves API keys working; what is entered again unlocks", async () => {
    const minted = await mintKey(relay, { preset: "owner" });
    const login = () =>
      fetch(`${relay.url}/api/collections/_superusers/auth-with-password`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ identity: "x", password: minted.key }),
      });
    const session = (await json(login())).token;
    await relay.restart({ ENCRYPTION_KEY: key() });
    expect((await get("/v1/keys/self", minted.key)).status).toBe(200);
    expect((await json(get("/v1/keys", minted.key))).items.length).toBeGreaterThan(0);
    for (const answer of [await get("/api/backups", minted.key), await login(), await get("/v1/keys/self", session)]) {
      expect(answer.status).toBe(503);
      const { code, message } = await json(answer);
      expect(code).toBe("sealed_locked");
      expect(message).toMatch(/^The stored .+ cannot be opened with the configured ENCRYPTION_KEY\.$/);
    }
    expect((await instance()).locked.sort()).toEqual(["credential", "headers", "nudgeSecret", "sessionKey"]);
    // A change of something else drops nothing.
    const poll = await admin(relay, "/v1/instances/demo", { method: "PATCH", body: { pollSeconds: 90 } });
    expect((await json(poll)).locked).toContain("headers");
    const { email, password } = server.fake;
    const again = await admin(relay, "/v1/instances/demo", {
      method: "PATCH",
      body: { credential: { email, password } },
    });
    expect(again.status).toBe(200);
    expect((await json(again)).locked).toEqual([]);
    expect((await get("/api/backups", minted.key)).status).toBe(200);
    expect((await login()).status).toBe(200);
    expect((await get("/api/backups", session)).status).toBe(401);
  });

  it("is rotated with both for a while: the second only opens, all is sealed anew, then it can go", async () => {
    const minted = await mintKey(relay, { preset: "owner" });
    const sealed = () => storedRows(relay.dataDir).filter(({ table }) => table === "sealed");
    const [old, fresh] = [key(), key()];
    const { email, password } = server.fake;
    await relay.restart({ ENCRYPTION_KEY: old });
    await admin(relay, "/v1/instances/demo", { method: "PATCH", body: { credential: { email, password } } });
    const before = sealed();
    await relay.restart({ ENCRYPTION_KEY: `${fresh},${old}` });
    expect((await get("/api/backups", minted.key)).status).toBe(200);
    expect(await instance()).toMatchObject({ locked: [], leftToReseal: 0 });
    const after = sealed();
    expect(before.length).toBeGreaterThan(0);
    expect(after.length).toBe(before.length);
    for (const { row } of after) expect(before.map((each) => each.row.value)).not.toContain(row.value);
    await relay.restart({ ENCRYPTION_KEY: fresh });
    expect((await get("/api/backups", minted.key)).status).toBe(200);
    expect((await instance()).locked).toEqual([]);
  });

  it("says how many values a key that is gone still seals", async () => {
    await relay.restart({ ENCRYPTION_KEY: key() });
    const { locked, leftToReseal } = await instance();
    expect(leftToReseal).toBe(locked.length);
    expect(leftToReseal).toBeGreaterThan(0);
    const { email, password } = server.fake;
    await admin(relay, "/v1/instances/demo", { method: "PATCH", body: { credential: { email, password } } });
  });
});

describe("the environment's instance", () => {
  const environment = () => ({
    POCKETBASE_URL: server.url,
    POCKETBASE_EMAIL: server.fake.email,
    POCKETBASE_PASSWORD: server.fake.password,
  });

  it("needs no call, cannot be changed by one, and its credential is never stored", async () => {
    await relay.restart(environment());
    const answer = await json(admin(relay, "/v1/instances/default/check", { method: "POST" }));
    expect(answer).toMatchObject({ reachable: true, authorized: true });
    const { items } = await json(admin(relay, "/v1/instances"));
    expect(items.map(({ name }: { name: string }) => name)).toEqual(["default", "demo"]);
    for (const [method, body] of [
      ["PATCH", { pollSeconds: 60 }],
      ["PATCH", { url: "https://pb.example.com", credential: { token: "t" } }],
      ["DELETE", undefined],
    ] as const) {
      const path = method === "DELETE" ? "/v1/instances/default?confirm=default" : "/v1/instances/default";
      const refused = await admin(relay, path, { method, body });
      expect([refused.status, (await json(refused)).code], method).toEqual([409, "configured_by_environment"]);
    }
    const taken = await admin(relay, "/v1/instances", {
      body: { name: "default", url: server.url, credential: { token: "t" } },
    });
    expect([taken.status, (await json(taken)).code]).toEqual([409, "name_taken"]);
    const minted = await mintKey(relay, { preset: "operator" }, "default");
    expect((await get("/api/backups", minted.key)).status).toBe(200);
    const rows = storedRows(relay.dataDir);
    const own = rows.find(({ row }) => String(row.value).includes('"source":"environment"'))!;
    const names = rows.filter(({ file, table }) => file === own.file && table === "sealed").map(({ row }) => row.name);
    expect(names).toEqual(["nudgeSecret", "sessionKey"]);
    expect(JSON.stringify(rows)).not.toContain(server.fake.password);

    // Another key at the next start costs sessions and the nudge, nothing that could not be had again.
    await relay.restart({ ...environment(), ENCRYPTION_KEY: randomBytes(32).toString("base64") });
    expect((await admin(relay, "/v1/instances/default")).status).toBe(200);
    expect((await get("/api/backups", minted.key)).status).toBe(200);
    const login = await fetch(`${relay.url}/api/collections/_superusers/auth-with-password`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ identity: "x", password: minted.key }),
    });
    expect(login.status).toBe(200);
    expect((await json(admin(relay, "/v1/instances/default"))).locked).toEqual(["nudgeSecret"]);
    await admin(relay, "/v1/instances/default/nudge/rotate", { method: "POST" });
    expect((await json(admin(relay, "/v1/instances/default"))).locked).toEqual([]);

    await relay.restart({ POCKETBASE_URL: "", POCKETBASE_EMAIL: "", POCKETBASE_PASSWORD: "" });
    const gone = await get("/api/backups", minted.key);
    expect([gone.status, (await json(gone)).code]).toEqual([503, "misconfigured"]);
    expect((await admin(relay, "/v1/instances/default?confirm=default", { method: "DELETE" })).status).toBe(204);
  });
});

describe("logs (SECURITY 31)", () => {
  it("of the platform hold no query strings, and ours no error's own text", () => {
    expect(readFileSync(join(root, "wrangler.toml"), "utf8")).toMatch(/^redact_query_string = true$/m);
    const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
    const lines = sources
      .filter((path) => path.endsWith(".ts"))
      .flatMap((path) => readFileSync(join(root, "src", path), "utf8").split("\n"))
      .filter((line) => /\bconsole\./.test(line));
    expect(lines.length).toBeGreaterThan(2);
    // The kind of an error is told, never its message: that may hold a URL with a token in it.
    const kind = 'error instanceof Error ? error.name : "unknown error"';
    const told = lines.flatMap((line) => [...line.matchAll(/\$\{([^}]*)\}/g)].map(([, what]) => what));
    expect([...new Set(told)].sort()).toEqual(
      ['c.get("requestId")', "command.do", "duty.name", kind, "row.name"].sort(),
    );
    for (const line of lines) expect(line).toMatch(/console\.error\((`[^`]*`|"[^"]*")\)/);
  });
});

describe("a setting that is missing or malformed", () => {
  it("is one sentence at every request, load balancers' included, and nothing else is answered", async () => {
    const secret = "only-half-a-secret";
    await relay.restart({ ADMIN_TOKEN: secret });
    for (const path of ["/v1/health", "/api/health", "/api/backups", "/v1/instances", "/docs", "/nowhere"]) {
      const answer = await get(path, secret);
      const body = await json(answer);
      expect([answer.status, body.code], path).toEqual([503, "misconfigured"]);
      expect(body.message).toBe("ADMIN_TOKEN is too short: it needs at least 32 random characters.");
      expect(answer.headers.get("retry-after")).not.toBeNull();
      expect(answer.headers.get("x-request-id")).toBe(body.requestId);
      expect(JSON.stringify(body)).not.toContain(secret);
    }
    expect(relay.log()).not.toContain(secret);
  });
});
