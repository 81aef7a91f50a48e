import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { gzipSync } from "node:zlib";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { RawReceiver } from "../harness/raw-receiver.ts";
import type { Received } from "../harness/receiver.ts";
import { admin, mintKey } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";
import { type Hook, WebhookStage } from "../harness/webhooks/relay.ts";

let stage: WebhookStage;
beforeAll(async () => {
  stage = await WebhookStage.start();
});
afterAll(() => stage.stop());

const headersOf = ({ headers }: Received) => headers as Record<string, string>;
type Jwks = { keys: (JsonWebKey & { kid: string })[] };
const jwksOf = async (id: string): Promise<Jwks> =>
  (await (await fetch(`${stage.relay.url}/v1/webhooks/${id}/jwks.json`)).json()) as Jwks;

/** As docs/webhooks.md tells receivers to do it. */
function verifiedByKeys({ headers, body }: Received, { keys }: Jwks): boolean {
  const signed = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
  return String(headers["webhook-signature"])
    .split(" ")
    .some((one) => {
      const [kind, signature] = one.split(",");
      const matches = (jwk: JsonWebKey) =>
        verify(null, signed, createPublicKey({ key: jwk as never, format: "jwk" }), Buffer.from(signature!, "base64"));
      return kind === "v1a" && keys.some(matches);
    });
}

const arrived = (path: string, count: number, timeout = SOON.timeout) =>
  vi.waitUntil(() => stage.receiver.at(path).length >= count, { ...SOON, timeout });

it("two libraries and Node's own crypto verify what arrives; nothing altered, and nothing of another endpoint, passes", async () => {
  const one = await stage.hook("/one");
  const other = await stage.hook("/other");
  const ids = await stage.happen(3);
  await arrived("/one", 3);
  await arrived("/other", 3);
  const keys = await jwksOf(one.id);
  expect(keys.keys.map(({ kid }) => kid)).toEqual([one.id]);
  for (const received of stage.receiver.at("/one")) {
    const headers = headersOf(received);
    expect(new Webhook(one.secret).verify(received.body, headers)).toEqual(JSON.parse(received.body));
    expect(new SvixWebhook(one.secret).verify(received.body, headers)).toEqual(JSON.parse(received.body));
    expect(verifiedByKeys(received, keys)).toBe(true);

    expect(() => new Webhook(other.secret).verify(received.body, headers)).toThrow();
    expect(verifiedByKeys(received, await jwksOf(other.id))).toBe(false);
    expect(verifiedByKeys({ ...received, body: `${received.body} ` }, keys)).toBe(false);
    const altered: Record<string, string>[] = [
      { "webhook-id": `${headers["webhook-id"]}x` },
      { "webhook-timestamp": String(Number(headers["webhook-timestamp"]) - 301) },
      { "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 301) },
      { "webhook-timestamp": "soon" },
      { "webhook-signature": "" },
      { "webhook-signature": headers["webhook-signature"]!.slice(0, 11) },
      { "webhook-signature": headers["webhook-signature"]!.split(" ")[1]! },
      { "webhook-signature": headers["webhook-signature"]!.replace("v1,", "v2,") },
    ];
    for (const change of altered)
      expect(() => new Webhook(one.secret).verify(received.body, { ...headers, ...change })).toThrow();
    expect(() => new Webhook(one.secret).verify(`${received.body} `, headers)).toThrow();
    const more = { ...headers, "webhook-signature": `v1,AAAA v2,BBBB ${headers["webhook-signature"]} v1,CCCC` };
    expect(() => new Webhook(one.secret).verify(received.body, more)).not.toThrow();
  }
  expect(stage.receiver.ids("/one").sort()).toEqual([...ids].sort());
});

it("the body is the ledger's text, byte for byte, so the chain verifies at the receiver", async () => {
  const whole = await stage.hook("/chain", { types: ["*"] });
  await stage.happen(20);
  await arrived("/chain", 20);
  const bodies = stage.receiver.at("/chain").map(({ body }) => body);
  const inOrder = bodies.sort((a, b) => JSON.parse(a).seq - JSON.parse(b).seq);
  for (const [index, body] of inOrder.entries()) {
    if (index === 0) continue;
    const prev = createHash("sha256")
      .update(inOrder[index - 1]!)
      .digest("hex");
    expect(JSON.parse(body).prev).toBe(prev);
  }
  for (const { headers, body } of stage.receiver.at("/chain")) {
    expect(headers["content-type"]).toBe("application/json");
    expect(Buffer.byteLength(body)).toBeLessThan(20_000);
    expect(body).not.toMatch(/whsec_|brk_|eyJ/);
    expect(JSON.parse(body).id).toBe(headers["webhook-id"]);
  }
  await stage.call("DELETE", `/v1/webhooks/${whole.id}`, undefined, 204);
});

it("rotation: both secrets and both key pairs sign while they overlap; without an overlap only the new ones", async () => {
  const hook = await stage.hook("/rotated");
  const old = await jwksOf(hook.id);
  const rotated = await stage.call<Hook>("POST", `/v1/webhooks/${hook.id}/rotate`, {}, 201);
  expect(rotated.secret).not.toBe(hook.secret);
  await stage.happen(1);
  await arrived("/rotated", 1);
  const [during] = stage.receiver.at("/rotated");
  for (const secret of [hook.secret, rotated.secret]) new Webhook(secret).verify(during!.body, headersOf(during!));
  const both = await jwksOf(hook.id);
  expect(both.keys.map(({ kid }) => kid)).toEqual([hook.id, `${hook.id}.previous`]);
  for (const keys of [old, { keys: [both.keys[0]!] }, { keys: [both.keys[1]!] }])
    expect(verifiedByKeys(during!, keys)).toBe(true);

  const own = `whsec_${randomBytes(32).toString("base64")}`;
  const request = { secret: own, overlapSeconds: 0 };
  const again = await stage.call<Hook>("POST", `/v1/webhooks/${hook.id}/rotate`, request, 201);
  expect(again.secret).toBe(own);
  await stage.happen(1);
  await arrived("/rotated", 2);
  const after = stage.receiver.at("/rotated")[1]!;
  new Webhook(own).verify(after.body, headersOf(after));
  expect(() => new Webhook(rotated.secret).verify(after.body, headersOf(after))).toThrow();
  expect((await jwksOf(hook.id)).keys).toHaveLength(1);
});

it("shows an endpoint without its secrets, and changes it; another host drops headers and secret", async () => {
  const made = await stage.hook("/shown?token=in-the-query", {
    headers: { Authorization: "Bearer header-secret-value" },
    description: "pager",
  });
  const path = `/v1/webhooks/${made.id}`;
  const read = await stage.call<Record<string, unknown>>("GET", path);
  const listed = await stage.call<{ items: { id: string }[] }>("GET", "/v1/webhooks?limit=200");
  expect(listed.items.map(({ id }) => id)).toContain(made.id);
  for (const shown of [read, listed]) expect(JSON.stringify(shown)).not.toMatch(/whsec_|in-the-query|header-secret/);
  expect(read).toMatchObject({ state: "active", headers: ["authorization"], description: "pager", behind: 0 });
  expect(read.url).toBe(`${new URL(stage.receiver.url("/")).origin}/…`);

  const renamed = await stage.call<Hook>("PATCH", path, { description: "desk", types: ["restore.*"] });
  expect(renamed).toMatchObject({ description: "desk", types: ["restore.*"], headers: ["authorization"] });
  expect(renamed.secret).toBeUndefined();
  const moved = await stage.call<Hook>("PATCH", path, { url: "http://127.0.0.1:8443/elsewhere" });
  expect(moved.headers).toEqual([]);
  expect(moved.secret).toMatch(/^whsec_/);
  expect(moved.secret).not.toBe(made.secret);
  await stage.call("DELETE", path, undefined, 204);
  await stage.call("GET", path, undefined, 404);
  expect((await fetch(`${stage.relay.url}${path}/jwks.json`)).status).toBe(404);
});

it("refuses what could never work, field by field", async () => {
  const refused = async (body: Record<string, unknown>) => {
    const answer = await admin(stage.relay, "/v1/webhooks", { body: { url: "https://hooks.example.com/", ...body } });
    expect(answer.status).toBe(400);
    return Object.keys(((await answer.json()) as { data: object }).data);
  };
  expect(await refused({ url: "https://user:pass@hooks.example.com/" })).toEqual(["url"]);
  expect(await refused({ url: "http://169.254.169.254/latest" })).toEqual(["url"]);
  expect(await refused({ types: ["backup.made"] })).toEqual(["types"]);
  expect(await refused({ headers: { host: "a" } })).toEqual(["headers"]);
  expect(await refused({ patterns: [""] })).toEqual(["patterns"]);
  expect(await refused({ secret: "whsec_AAAA" })).toEqual(["secret"]);
  expect(await refused({ format: "telegram" })).toEqual(["url"]);
  expect(await refused({ unknown: 1 })).toEqual(["unknown"]);
});

it("a made-up id opens no object", async () => {
  const hook = await stage.hook("/tag");
  const madeUp = `${hook.id.slice(0, -6)}${"0".repeat(6)}`;
  const answer = await fetch(`${stage.relay.url}/v1/webhooks/${madeUp}/jwks.json`);
  expect(answer.status).toBe(404);
  expect(((await answer.json()) as { code: string }).code).toBe("webhook_not_found");
});

it("a key makes endpoints with webhooks:write and events:read, sees its own lineage's, and gets what it may see", async () => {
  const without = await mintKey(stage.relay, { scopes: ["webhooks:read", "webhooks:write"] });
  const body = JSON.stringify({ url: stage.receiver.url("/key"), types: ["backup.*"] });
  const as = (key: string, path: string, init: RequestInit = {}) =>
    fetch(`${stage.relay.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    });
  expect((await as(without.key, "/v1/webhooks", { method: "POST", body })).status).toBe(403);

  const scopes = ["webhooks:read", "webhooks:write", "events:read"];
  const narrow = await mintKey(stage.relay, { scopes, patterns: ["acme_*"] });
  const stranger = await mintKey(stage.relay, { scopes });
  const made = await as(narrow.key, "/v1/webhooks", { method: "POST", body });
  expect(made.status).toBe(201);
  const { id } = (await made.json()) as Hook;
  expect((await as(stranger.key, `/v1/webhooks/${id}`)).status).toBe(404);
  expect(((await (await as(stranger.key, "/v1/webhooks")).json()) as { items: unknown[] }).items).toEqual([]);
  expect((await as(narrow.key, `/v1/webhooks/${id}`)).status).toBe(200);

  const { fake } = stage.server;
  const content = { size: 1, read: () => new Uint8Array(1) };
  for (const key of ["other.zip", "acme_1.zip"]) await fake.put(key, content, fake.now() - 60_000);
  await stage.look();
  await arrived("/key", 1);
  const seen = JSON.parse(stage.receiver.at("/key")[0]!.body);
  expect(seen.data.backup.key).toBe("acme_1.zip");
  expect(seen.data.stats).toBeUndefined();

  await stage.call("PATCH", `/v1/keys/${narrow.id}`, { disabled: true });
  await fake.put("acme_2.zip", content, fake.now() - 60_000);
  await stage.look();
  await stage.happen(1);
  const state = await stage.call<Hook>("GET", `/v1/webhooks/${id}`);
  expect(state).toMatchObject({ state: "paused", reason: expect.stringContaining("disabled") });
  expect(stage.receiver.at("/key")).toHaveLength(1);
  await stage.call("PATCH", `/v1/keys/${narrow.id}`, { disabled: false });
  await stage.call("POST", `/v1/webhooks/${id}/resume`);
  await arrived("/key", 2);
  expect(JSON.parse(stage.receiver.at("/key")[1]!.body).data.backup.key).toBe("acme_2.zip");
});

it("pause holds events back and resume catches up; replay sends again from a seq, a time or one event", async () => {
  const hook = await stage.hook("/paused");
  const path = `/v1/webhooks/${hook.id}`;
  expect(await stage.call("POST", `${path}/pause`)).toMatchObject({ state: "paused" });
  const started = new Date().toISOString();
  const ids = await stage.happen(4);
  expect(await stage.call("GET", path)).toMatchObject({ state: "paused", behind: 4 });
  expect(stage.receiver.at("/paused")).toEqual([]);
  await stage.call("POST", `${path}/replay`, { seq: 1 }, 409);
  await stage.call("POST", `${path}/resume`);
  await arrived("/paused", 4);
  await stage.call("POST", `${path}/replay`, { event: ids[2] }, 202);
  await arrived("/paused", 5);
  expect(stage.receiver.ids("/paused")[4]).toBe(ids[2]);
  for (let behind = 1; behind > 0; ) ({ behind } = await stage.call<{ behind: number }>("GET", path));
  await stage.call("POST", `${path}/replay`, { time: started }, 202);
  await arrived("/paused", 9);
  expect(stage.receiver.ids("/paused").slice(5).sort()).toEqual([...ids].sort());
  for (let behind = 1; behind > 0; ) ({ behind } = await stage.call<{ behind: number }>("GET", path));
  const seq = Math.max(...stage.receiver.at("/paused").map(({ body }) => JSON.parse(body).seq));
  await stage.call("POST", `${path}/replay`, { seq }, 202);
  await arrived("/paused", 10);
  await stage.call("POST", `${path}/replay`, { event: "evt_nothing" }, 404);
});

it("a disabling is an event that the others get, told once; resuming says so and catches up", async () => {
  const watcher = await stage.hook("/watcher", { types: ["webhook.*"] });
  const leaving = await stage.hook("/leaving", { description: "pager" });
  stage.receiver.answers.set("/leaving", (response) => {
    response.statusCode = 410;
    response.end();
  });
  const ids = await stage.happen(12);
  await arrived("/watcher", 1);
  const told = JSON.parse(stage.receiver.at("/watcher")[0]!.body);
  expect(told).toMatchObject({ type: "webhook.disabled", data: { cause: "gone", webhook: { id: leaving.id } } });
  expect(told.data.webhook).toEqual({ id: leaving.id, host: expect.stringMatching(/^127/), description: "pager" });
  const disabled = await stage.call<Hook>("GET", `/v1/webhooks/${leaving.id}`);
  expect(disabled).toMatchObject({ state: "disabled", reason: "It answered 410 Gone." });
  expect(stage.receiver.at("/leaving").length).toBeLessThanOrEqual(6);
  stage.receiver.answers.delete("/leaving");
  await stage.call("POST", `/v1/webhooks/${leaving.id}/resume`);
  await arrived("/watcher", 2);
  expect(JSON.parse(stage.receiver.at("/watcher")[1]!.body).type).toBe("webhook.resumed");
  // Everything that was missed.
  await vi.waitUntil(() => new Set(stage.receiver.ids("/leaving")).size === ids.length, SOON);
  expect(stage.receiver.at("/watcher")).toHaveLength(2);
  await stage.call("DELETE", `/v1/webhooks/${watcher.id}`, undefined, 204);
});

it("odd receivers: every answer has its reason, nothing hangs, and redirects are not followed", async () => {
  const answer = (path: string, answer: Parameters<typeof stage.receiver.answers.set>[1]) =>
    stage.receiver.answers.set(path, answer);
  const head = (status: number, headers: Record<string, string> = {}) =>
    ((response) => {
      response.writeHead(status, headers);
      response.end();
    }) as Parameters<typeof answer>[1];
  answer("/odd/410", head(410));
  answer("/odd/500", head(500));
  answer("/odd/301-self", head(301, { location: "/odd/301-self" }));
  answer("/odd/302", head(302, { location: stage.receiver.url("/odd/inside") }));
  answer("/odd/307", head(307, { location: stage.receiver.url("/odd/inside") }));
  for (const [index, value] of ["0", "-1", "999999999999999999999", "soon", "Fri, 31 Dec 9999 23:59:59 GMT"].entries())
    answer(`/odd/after-${index}`, head(503, { "retry-after": value }));
  answer("/odd/endless", (response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(Buffer.alloc(65_536)), 1);
    response.on("close", () => clearInterval(timer));
  });
  answer("/odd/bomb", (response) => {
    response.writeHead(500, { "content-encoding": "gzip" });
    response.end(gzipSync(Buffer.alloc(50_000_000)));
  });
  answer("/odd/slow-body", (response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("a");
  });
  answer("/odd/cut", (response) => response.destroy());
  const raw = await new RawReceiver().start();
  raw.answers.set("/http10", (socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nok"));
  raw.answers.set("/no-http", (socket) => socket.end("220 mail.example.com ESMTP\r\n"));
  raw.answers.set("/huge-head", (socket) => socket.end(`HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(2_000_000)}\r\n\r\n`));
  raw.answers.set("/bye", (socket) => socket.end());
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const closedPort = (closed.address() as AddressInfo).port;
  await new Promise<void>((resolve) => closed.close(() => resolve()));

  type Tested = { outcome: string; status: number | null; reason: { kind: string } | null; snippet: string | null };
  const said = async (url: string): Promise<string> => {
    const hook = await stage.call<Hook>("POST", "/v1/webhooks", { url, types: ["instance.*"] }, 201);
    const tested = await stage.call<Tested>("POST", `/v1/webhooks/${hook.id}/test`, { type: "backup.created" });
    // No receiver here is public, so nothing of its answers is shown (SECURITY 22).
    expect(tested.snippet).toBeNull();
    await stage.call("DELETE", `/v1/webhooks/${hook.id}`, undefined, 204);
    return `${tested.status} ${tested.reason?.kind ?? tested.outcome}`;
  };
  const odd = (name: string) => said(stage.receiver.url(`/odd/${name}`));
  expect(await Promise.all(["410", "500", "301-self", "302", "307"].map(odd))).toEqual([
    "410 gone",
    "500 status",
    "301 redirect",
    "302 redirect",
    "307 redirect",
  ]);
  expect(await Promise.all([0, 1, 2, 3, 4].map((index) => odd(`after-${index}`)))).toEqual(Array(5).fill("503 status"));
  expect(await Promise.all(["endless", "bomb", "slow-body", "cut"].map(odd))).toEqual([
    "200 delivered",
    "500 status",
    "200 delivered",
    "null connection",
  ]);
  const other = await Promise.all(["http10", "no-http", "huge-head", "bye"].map((path) => said(raw.url(`/${path}`))));
  expect(other[0]).toBe("200 delivered");
  for (const outcome of other.slice(1)) expect(outcome).toBe("null connection");
  expect(await said(`http://127.0.0.1:${closedPort}/`)).toBe("null connection");
  expect(await said(raw.url("/").replace("http:", "https:"))).toBe("null tls");
  expect(stage.receiver.at("/odd/inside")).toEqual([]);
  await raw.stop();
  expect((await fetch(`${stage.relay.url}/v1/health`)).status).toBe(200);
});

it("neighbours that hang, trickle or fail delay nobody: the healthy ones get everything without waiting for them", async () => {
  stage.receiver.answers.set("/bad/hang", () => undefined);
  const timers: NodeJS.Timeout[] = [];
  stage.receiver.answers.set("/bad/trickle", (response) => {
    response.socket?.write("HTTP/1.1 200 OK\r\nX-Slow: ");
    timers.push(setInterval(() => response.socket?.write("a"), 1000));
  });
  stage.receiver.answers.set("/bad/fail", (response) => {
    response.statusCode = 500;
    response.end();
  });
  const bad = ["/bad/hang", "/bad/trickle", "/bad/fail"];
  const healthy = Array.from({ length: 12 }, (_, index) => `/healthy/${index}`);
  for (const path of [...bad, ...healthy]) await stage.hook(path);
  const crowd = () => stage.receiver.got.filter(({ path }) => path.startsWith("/healthy/"));
  const ids = await stage.happen(50);
  await vi.waitUntil(() => crowd().length >= healthy.length * ids.length, SOON);
  // The hanging and the trickling one still have their first six requests under way: nobody waited for those.
  expect(stage.receiver.at("/bad/hang")).toHaveLength(6);
  expect(stage.receiver.at("/bad/trickle")).toHaveLength(6);
  expect(new Set(crowd().map(({ path, headers }) => path + headers["webhook-id"])).size).toBe(600);
  expect(crowd()).toHaveLength(600);
  for (const timer of timers) clearInterval(timer);
});

it("removing the instance removes its endpoints", async () => {
  const hook = await stage.hook("/removed");
  await stage.call("DELETE", "/v1/instances/demo?confirm=demo", undefined, 204);
  expect((await fetch(`${stage.relay.url}/v1/webhooks/${hook.id}/jwks.json`)).status).toBe(404);
});
