import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Running, startProcess } from "../../scripts/processes.ts";
import { root } from "../../scripts/root.ts";
import { startPocketBase } from "../harness/pocketbase.ts";

/*
 * Made the folder beside it, once, from a clone of the commit that the folder is named after:
 *   node -- scripts/run.mjs test/old-data/make.ts
 * It stands here to tell what is in the folder. Made anew it would be another fixture, of other code.
 */

const commit = "c6555c3";
/** Outside the ports that systems hand out and outside those of `freePort`. */
const ports = { server: 62_871, receiver: 62_872 };
const settings = {
  ADMIN_TOKEN: `fixture-${randomBytes(30).toString("base64url")}`,
  ENCRYPTION_KEY: randomBytes(32).toString("base64"),
};

type Json = Record<string, unknown>;
type Called = { status: number; text: string; json: Json; headers: Headers };
type Asked = { as?: string; method?: string; body?: unknown; headers?: Record<string, string> };

const folder = await mkdtemp(join(tmpdir(), "relay-old-data-"));
const dataDir = join(folder, "data");

async function served(): Promise<{ running: Running; url: string }> {
  const running = startProcess({
    command: process.execPath,
    args: ["--", join(root, "scripts", "run.mjs"), "scripts/serve.ts", "--data", dataDir, "--port", "0"],
    env: { PATH: process.env.PATH, ...settings, ALLOW_PRIVATE_NETWORK: "all" },
  });
  for (;;) {
    const url = /answers on (http:\S+)/.exec(running.log())?.[1];
    if (url) return { running, url };
    if (!running.alive()) throw new Error(running.log());
    await sleep(50);
  }
}

/** The first request to `/paused` is answered with 500, everything else with 200. */
const got: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
const receiver = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => {
    body += piece;
  });
  request.on("end", () => {
    const path = (request.url ?? "").split("?")[0]!;
    const first = got.every((each) => each.path !== path);
    got.push({ path, headers: request.headers, body });
    response.statusCode = path === "/paused" && first ? 500 : 200;
    response.end();
  });
});
await new Promise<void>((resolve) => receiver.listen(ports.receiver, "127.0.0.1", resolve));
const pocketbase = await startPocketBase({ port: ports.server });
const relay = await served();

async function call(path: string, { as = settings.ADMIN_TOKEN, method, body, headers = {} }: Asked = {}) {
  const answer = await fetch(relay.url + path, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      authorization: `Bearer ${as}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  const json = (text.startsWith("{") ? JSON.parse(text) : {}) as Json;
  return { status: answer.status, text, json, headers: answer.headers } as Called;
}
async function must<T = Json>(status: number, path: string, asked?: Asked): Promise<T> {
  const answer = await call(path, asked);
  if (answer.status !== status) throw new Error(`${asked?.method ?? ""} ${path}: ${answer.status} ${answer.text}`);
  return answer.json as T;
}
async function until(what: string, met: () => Promise<boolean> | boolean, ms = 60_000): Promise<void> {
  for (const end = performance.now() + ms; !(await met()); await sleep(200))
    if (performance.now() > end) throw new Error(`did not happen: ${what}`);
}
const say = (line: string) => console.error(line);

/* The server. */
const { email, password } = pocketbase;
type NewInstance = { nudge: { url: string; secret: string } };
const registered = await must<NewInstance>(201, "/v1/instances", {
  body: {
    name: "prod",
    url: pocketbase.url,
    credential: { email, password },
    headers: { "x-of-the-fixture": "a header's value" },
    pollSeconds: 15,
    expect: { everySeconds: 31_536_000, graceSeconds: 31_536_000 },
  },
});

/* Keys. */
type Minted = { id: string; key: string };
/** `previous`: opens until its successor is used. */
const texts: { name: string; id: string; text: string; opens: boolean; previous: boolean }[] = [];
const mint = async (request: Json, as?: string): Promise<Minted> => {
  const minted = await must<Minted>(201, "/v1/keys", { body: request, as });
  texts.push({ name: String(request.name), id: minted.id, text: minted.key, opens: true, previous: false });
  return minted;
};
const rotated = async (id: string): Promise<Minted> => {
  const minted = await must<Minted>(201, `/v1/keys/${id}/rotate`, { body: { graceSeconds: 604_800 } });
  const before = texts.find((each) => each.id === id)!;
  before.previous = true;
  texts.push({ ...before, text: minted.key, previous: false });
  return minted;
};
const parent = await mint({ name: "parent", preset: "owner", note: "Answers for the others." });
const child = await mint(
  {
    name: "child",
    scopes: ["backups:list", "backups:create", "backups:download", "keys:write", "keys:read"],
    patterns: ["nightly_*", "hourly_*"],
    networks: ["127.0.0.0/8", "::1/128"],
    quotas: { "backups:create": 5, "backups:download": 7 },
    ratePerMinute: 6_000,
    notBefore: "2026-01-01T00:00:00Z",
    expires: "2199-12-31T23:59:59Z",
  },
  parent.key,
);
await mint({ name: "grandchild", scopes: ["backups:list"], patterns: ["nightly_[0-9]*"] }, child.key);
const disabled = await mint({ name: "disabled", preset: "robot" });
await must(200, "/v1/keys/self", { as: disabled.key });
await must(200, `/v1/keys/${disabled.id}`, { method: "PATCH", body: { disabled: true } });
texts.find(({ id }) => id === disabled.id)!.opens = false;
const refusedAs = (await call("/v1/keys/self", { as: disabled.key })).status;
if (refusedAs < 401) throw new Error(`the disabled key is answered ${refusedAs}`);
const fetcher = await mint({ name: "rotated", preset: "fetcher", principal: "somebody" });
const fetcherAnew = await rotated(fetcher.id);
await must(200, "/v1/keys/self", { as: fetcherAnew.key });
await call("/v1/backups", { as: fetcherAnew.key });
texts.find(({ text }) => text === fetcher.key)!.opens = false;
const auditor = await mint({ name: "rotated, successor unused", preset: "auditor" });
await rotated(auditor.id);
const asking = await mint({
  name: "asks before it deletes",
  scopes: ["backups:list", "backups:delete", "operations:read", "operations:approve"],
  approval: ["backups:delete"],
  approvalSeconds: 86_400,
});

/* Endpoints, before there is much to tell. */
type Made = { id: string; secret: string };
const hookUrl = (path: string) => `http://127.0.0.1:${ports.receiver}${path}`;
const active = await must<Made>(201, "/v1/webhooks", {
  as: parent.key,
  body: {
    url: hookUrl("/active?token=0123456789"),
    types: ["*"],
    description: "gets everything",
    headers: { "x-receiver-token": "known to the receiver" },
  },
});
const paused = await must<Made>(201, "/v1/webhooks", {
  body: {
    url: hookUrl("/paused"),
    types: ["backup.*"],
    description: "is behind",
    ratePerMinute: 600,
    signatures: ["v1", "v1a"],
  },
});
const pausedAnew = await must<Made>(201, `/v1/webhooks/${paused.id}/rotate`, { body: { overlapSeconds: 604_800 } });

/* Backups. */
type Operation = { id: string; state: string; error: Json | null; steps: Json[] };
const ended = async ({ id }: { id: string }): Promise<Operation> => {
  for (;;) {
    const operation = await must<Operation>(200, `/v1/operations/${id}?wait=25`);
    if (!["queued", "running"].includes(operation.state)) return operation;
  }
};
const ends = async (state: string, made: { id: string }): Promise<Operation> => {
  const operation = await ended(made);
  if (operation.state !== state) throw new Error(JSON.stringify(operation));
  return operation;
};
const delivered = (path: string) =>
  got.filter((each) => each.path === path).map(({ headers }) => headers["webhook-id"]);
const told = async (type: string, count = 1) => {
  await until(`${count} ${type}`, async () => {
    const { items } = await must<{ items: Json[] }>(200, `/v1/events?limit=200&type=${type}`);
    return items.length >= count;
  });
};
say("making backups");
const repeated = {
  as: child.key,
  method: "POST",
  body: { name: "nightly_1.zip" },
  headers: { "idempotency-key": '"nightly 1"' },
};
const first = await must<Operation>(202, "/v1/backups", repeated);
await ends("succeeded", first);
const weekly = await must<Operation>(202, "/v1/backups", { as: parent.key, body: { name: "weekly_1.zip" } });
await ends("succeeded", weekly);
await told("backup.created", 2);
await told("backup.verified", 2);
await until("a failed attempt's retry", () => new Set(delivered("/paused")).size < delivered("/paused").length);
await must(200, `/v1/webhooks/${paused.id}/pause`, { method: "POST" });
const download = await fetch(`${relay.url}/api/backups/nightly_1.zip`, { headers: { authorization: child.key } });
await download.arrayBuffer();
say("an operation that fails");
await ends("failed", await must(202, "/v1/backups", { as: parent.key, body: { name: "weekly_1.zip" } }));
say("a restore");
await ends("succeeded", await must(202, "/v1/backups/nightly_1.zip/restore", { as: parent.key, method: "POST" }));
await told("restore.completed");
await told("backup.created", 3);
await told("backup.verified", 3);
await must(204, "/v1/backups/weekly_1.zip", { as: parent.key, method: "DELETE" });
await told("backup.deleted");
// The former one is kept, sealed, for 30 days.
await must(200, "/v1/instances/prod", { method: "PATCH", body: { credential: { email, password }, pollSeconds: 120 } });
say("approvals");
const asked = { as: asking.key, method: "DELETE" };
const denied = await must<Operation>(202, "/v1/backups/nightly_1.zip", asked);
await must(200, `/v1/operations/${denied.id}/deny`, { as: parent.key, method: "POST" });
const awaiting = await must<Operation>(202, "/v1/backups/nightly_1.zip", asked);

/* What each key may do, as it is told itself. Using the unused successor would end what came before it. */
const rights: Json = {};
for (const { name, text, opens, previous } of texts)
  if (opens && (previous || !texts.some((each) => each.name === name && each.previous && each.opens)))
    rights[name] = (await must<{ rights: Json }>(200, "/v1/keys/self", { as: text })).rights;

/* What the ledger tells is delivered, and uses of keys that memory holds are written (once a minute). */
say("waiting until what is held in memory is written");
// An object that is asked for nothing is evicted within seconds, and what it held is lost.
for (const end = performance.now() + 70_000; performance.now() < end; await sleep(3_000))
  await must(200, "/v1/instances");
const page = async (path: string) => {
  const { items, nextCursor } = await must<{ items: Json[]; nextCursor: string | null }>(200, `${path}?limit=200`);
  if (nextCursor) throw new Error(`${path} has more than one page`);
  return items;
};
const known = await page("/v1/keys");
const eventsAnswer = await call("/v1/events?limit=200");
const eventTexts = (eventsAnswer.json.items as Json[]).map((item) => JSON.stringify(item));
if (!eventsAnswer.text.startsWith(`{"items":[${eventTexts.join(",")}],`)) throw new Error("the texts are others");
const head = Number(eventsAnswer.json.head);
if (known.every(({ uses }) => uses === 0)) throw new Error("no use of a key was written");
if (head !== eventTexts.length) throw new Error("the ledger has more than one page");

const webhooks: Json[] = [];
const hooks = [];
for (const { id, secret } of [active, pausedAnew]) {
  webhooks.push(await must(200, `/v1/webhooks/${id}`));
  const jwks = await must(200, `/v1/webhooks/${id}/jwks.json`);
  const attempts = await page(`/v1/webhooks/${id}/attempts`);
  const path = id === active.id ? "/active" : "/paused";
  hooks.push({ id, path, secret, jwks, attempts, delivered: [...new Set(delivered(path))] });
}
const expected = {
  commit,
  made: new Date().toISOString(),
  server: pocketbase.version,
  ports,
  settings,
  instance: await must(200, "/v1/instances/prod"),
  nudge: { path: registered.nudge.url, secret: registered.nudge.secret },
  /** Without the prefix by which scanners, and a test of ours, find keys that leaked. */
  keyTexts: texts.map(({ text, ...more }) => ({ ...more, withoutPrefix: text.slice("brk_".length) })),
  keys: known,
  rights,
  events: eventTexts,
  verify: await must(200, "/v1/events/verify"),
  operations: await page("/v1/operations"),
  awaiting: { id: awaiting.id, asks: "asks before it deletes", decides: "parent" },
  repeated: { as: "child", body: repeated.body, header: repeated.headers["idempotency-key"], answer: first },
  webhooks,
  hooks,
  audit: await page("/v1/audit"),
};

relay.running.signal("SIGTERM");
const { code } = await relay.running.exited;
if (code !== 0) throw new Error(`serve ended with ${code}: ${relay.running.log()}`);
const place = join(import.meta.dirname, commit);
await rm(place, { recursive: true, force: true });
await mkdir(place, { recursive: true });
// The lock of the ended process is no part of what is stored.
await cp(dataDir, join(place, "stored"), { recursive: true, filter: (from) => !from.endsWith("serve.lock") });
await writeFile(join(place, "expected.json"), `${JSON.stringify(expected, null, 1)}\n`);
await pocketbase.stop();
receiver.closeAllConnections();
receiver.close();
await rm(folder, { recursive: true, force: true });
say(
  `${head} events, ${expected.operations.length} operations, ${known.length} keys, ${expected.audit.length} audit rows`,
);
process.exit(0);
