import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startProcess } from "../../scripts/processes.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { Caller } from "../harness/leaks/caller.ts";
import { type Cell, cellsUnder, commandLines, filesHeldBy, filesSince, filesUnder } from "../harness/leaks/places.ts";
import {
  instances,
  keys,
  mint,
  operations,
  register,
  reports,
  type Stage,
  sessions,
  unguessable,
  webhooks,
} from "../harness/leaks/run.ts";
import { coreOf, type Found, type Place, Search, type Secret, spellings } from "../harness/leaks/search.ts";
import { everyRoute, everyScope, isOf, type Route, strangers } from "../harness/leaks/strangers.ts";
import { archive, cutDownloads, downloads, uploads } from "../harness/leaks/transfers.ts";
import { inTrouble, troubles } from "../harness/leaks/weather.ts";
import { Receiver } from "../harness/receiver.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";

/**
 * Nothing that lets its holder act gets out (promise 1, SECURITY 21, 31). Every call is made, good and bad, in fair
 * weather and foul; afterwards everything that was answered, printed, written and stored is searched for everything
 * that was secret. A planted text has to be found in each of these places, or finding nothing there would say nothing.
 */

const began = Date.now();
const { TMPDIR } = process.env;
const folder = mkdtempSync(join(tmpdir(), "relay-leaks-"));
const canary = `canary${randomBytes(16).toString("hex")}`;
const environment = { email: "env@example.com", password: unguessable() };
const servers: FakeServer[] = [];
const seen: Place[] = [];
let relay: TestRelay;
let receiver: Receiver;
let caller: Caller;
let routes: Route[];
let cells: Cell[];
let admin: string;
const ours: Secret[] = [];
const theirs: Secret[] = [];

/** What a running relay shows only for a while. */
function lookAround(): void {
  seen.push(...commandLines(), ...filesHeldBy(relay.pid, relay.dataDir));
}
const printed = (): Place => ({ place: "log", bytes: Buffer.from(relay.log()) });

/** All that happens in the relay's first life; gives a key of every scope. */
async function happenings(stage: Stage): Promise<string> {
  const { fake } = stage.server;
  await fake.make("kept.zip", Date.now() - 60_000);
  await fake.put("large.zip", archive, Date.now() - 60_000);
  await fake.put(`${canary}.zip`, archive, Date.now() - 60_000);
  const nudge = await register(stage, "demo");
  routes = await everyRoute(stage);
  const owner = await mint(stage, "demo", { scopes: everyScope, note: canary, quotas: { "backups:create": 50 } });
  const weak = await mint(stage, "demo", { preset: "auditor" });
  const asking = await mint(stage, "demo", {
    scopes: ["backups:list", "backups:delete", "operations:approve"],
    approval: ["backups:delete"],
    principal: "somebody",
  });
  await caller.call("HEAD", `/api/backups/${canary}.zip`, { auth: owner.key });
  const hook = await webhooks(stage, owner.key);
  const trouble = Object.entries(troubles(stage, stage.server));
  const weather = trouble.flatMap(([name, faults]) =>
    [true, false].map(async (deletes) => {
      servers.push(await inTrouble(stage, `${name}-${deletes ? "one" : "two"}`, faults, deletes));
    }),
  );
  const { session, ticket } = await sessions(stage, owner);
  await downloads(stage, owner.key, session, ticket);
  await uploads(stage, owner.key);
  await Promise.all([keys(stage, owner), instances(stage, nudge)]);
  lookAround();
  await operations(stage, owner.key, asking.key);
  await Promise.all(weather);
  const operation = JSON.parse(String((await caller.call("GET", "/v1/operations", { auth: owner.key })).body));
  await strangers(
    stage,
    routes,
    { keys: weak.id, operations: operation.items[0].id, webhooks: hook, nudge: new URL(nudge.url).pathname.slice(10) },
    weak,
  );
  await reports(stage, owner.key);
  lookAround();
  return owner.key;
}

beforeAll(async () => {
  receiver = await new Receiver().start();
  const pace = { log: 50 };
  const main = await startFake({ password: unguessable(), pace });
  const other = await startFake({ ...environment, pace });
  servers.push(main, other);
  const encryptionKey = randomBytes(32).toString("base64");
  mkdirSync(join(folder, "tmp"));
  process.env.TMPDIR = join(folder, "tmp");
  relay = await startRelay({
    dataDir: join(folder, "data"),
    settings: {
      ENCRYPTION_KEY: encryptionKey,
      ALLOW_PRIVATE_NETWORK: "all",
      CLIENT_ADDRESS: "header:x-test-address",
      TRUSTED_PROXIES: "127.0.0.0/8",
      PUBLIC_URL: "https://relay.example",
      POCKETBASE_URL: other.url,
      POCKETBASE_EMAIL: environment.email,
      POCKETBASE_PASSWORD: environment.password,
    },
  });
  admin = relay.adminToken;
  caller = new Caller(relay);
  caller.keep("relay ADMIN_TOKEN", admin);
  caller.keep("relay ENCRYPTION_KEY", encryptionKey);
  const planted = startProcess({ command: "/bin/sh", args: ["-c", 'echo "$1"; sleep 60; :', "sh", canary] });
  try {
    const stage = { caller, admin, server: main, receiver };
    const auth = await happenings(stage);
    lookAround();
    seen.push(printed(), { place: "log", bytes: Buffer.from(planted.log()) });
    caller.end();
    const next = caller.keep("relay ENCRYPTION_KEY", randomBytes(32).toString("base64"));
    await relay.restart({ ENCRYPTION_KEY: `${next},${encryptionKey}`, HEALING: "segments" });
    await caller.call("GET", "/v1/instances", { auth: admin });
    await cutDownloads(stage, auth, true);
    lookAround();
    seen.push(printed());
    caller.end();
    await relay.restart({ HEALING: "off" });
    await cutDownloads(stage, auth, false);
    lookAround();
    seen.push(printed());
    caller.end();
    await relay.restart({ ENCRYPTION_KEY: next.slice(0, -6) });
    await caller.call("GET", "/v1/instances", { auth: admin });
    seen.push(printed());
  } finally {
    await planted.end();
    caller.end();
    await relay.stop();
    await receiver.stop();
    await Promise.all(servers.map((server) => server.stop()));
  }
  writeFileSync(join(folder, "tmp", "planted"), `{"a":"${Buffer.from(canary).toString("base64")}"}`);
  seen.push(...filesUnder(join(folder, "tmp"), "temporary file"), ...filesSince("/tmp", began, "temporary file"));
  seen.push(...filesUnder(relay.dataDir, "stored file"));
  cells = cellsUnder(relay.dataDir);
  seen.push(...cells, ...caller.exchanges);
  for (const { fake } of servers)
    for (const text of fake.secrets) if (!caller.secrets.has(text)) caller.keep("upstream token or password", text);
  for (const secret of caller.secrets.values()) (secret.what.startsWith("upstream") ? theirs : ours).push(secret);
}, 60_000);
afterAll(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  rmSync(folder, { recursive: true, force: true });
});

/** Found things by kind of place, so that a failure is a short list. */
const told = (found: Found[]) => [...new Set(found.map((one) => `${one.what}, ${one.spelling}, in ${one.place}`))];

it("every route was called, with and without success", () => {
  const met = (route: Route, good: boolean) =>
    caller.exchanges.some((one) => isOf(route, routes, one) && one.status > 0 && one.status < 400 === good);
  expect(routes.length).toBeGreaterThan(45);
  expect(routes.filter((route) => !met(route, true)).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  expect(routes.filter((route) => !met(route, false)).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
});

it("there was something to leak, and somewhere to", () => {
  const kinds = new Map<string, number>();
  for (const { what } of [...ours, ...theirs]) kinds.set(what, (kinds.get(what) ?? 0) + 1);
  for (const [what, least] of Object.entries({
    "upstream token or password": 60,
    "upstream words": 8,
    "upstream extra header": 10,
    "relay key": 20,
    "relay session": 1,
    "relay ticket": 1,
    "relay nudge secret": 10,
    "webhook secret": 6,
    "webhook header": 5,
    "webhook address": 10,
  }))
    expect(kinds.get(what), what).toBeGreaterThanOrEqual(least);
  const filled = new Set(cells.map(({ table }) => table));
  for (const table of ["meta", "sealed", "keys", "quotas", "audit", "denials", "events", "operations", "idempotency"])
    expect(filled).toContain(table);
  expect(cells.some(({ table, bytes }) => table === "events" && bytes.includes('"code":"cron_failed"'))).toBe(true);
  for (const table of ["endpoints", "deliveries", "attempts", "tracked_backups", "instances"])
    expect(filled).toContain(table);
});

it("a planted text is found in every medium and every spelling", () => {
  const found = new Search([{ what: "canary", text: canary, places: new Set() }]).in(seen);
  const media = new Set(found.map(({ place }) => place.replace(/[: ].*/, "")));
  expect([...media].sort()).toEqual(["log", "process", "response", "stored", "temporary"]);
  expect(found.some(({ place }) => place === "stored row: keys.record")).toBe(true);
  for (const place of [/^stored file/, /^response \d+: HEAD /, /^response \d+: POST \/v1\/keys$/])
    expect(
      found.some((one) => place.test(one.place)),
      String(place),
    ).toBe(true);

  const secret = unguessable();
  const search = new Search([{ what: "secret", text: secret, places: new Set(["allowed"]) }]);
  for (const [spelling, texts] of spellings(secret))
    for (const text of texts)
      for (const cut of [text, `x${text}`, `é${text}€`, text.slice(0, 20), text.slice(-20)]) {
        const bytes = Buffer.from(cut, spelling === "UTF-16" ? "latin1" : "utf8");
        expect(search.in([{ place: "here", bytes }]).length, `${spelling} ${cut.length}`).toBeGreaterThan(0);
        expect(search.in([{ place: "allowed", bytes }])).toEqual([]);
      }
  for (const before of ["", "a", "ab", "abc"])
    for (const alphabet of ["base64", "base64url"] as const) {
      const bytes = Buffer.from(Buffer.from(`${before}${secret}${before}`).toString(alphabet));
      expect(search.in([{ place: "here", bytes }])).toHaveLength(1);
    }
  for (const text of [...ours, ...theirs].map((one) => one.text))
    expect(
      new Search([{ what: "one", text, places: new Set() }]).in([{ place: "here", bytes: Buffer.from(text) }]),
    ).not.toEqual([]);
});

it("no token or password of a server is in any answer, log line, process argument, file or stored row", () => {
  expect(told(new Search(theirs).in(seen))).toEqual([]);
});

it("a key, session, ticket, secret or setting of ours is in the one answer that hands it out, and nowhere else", () => {
  expect(told(new Search(ours).in(seen))).toEqual([]);
  const shown = new Map(caller.exchanges.map((one) => [one.place, String(one.bytes)]));
  const minted = ours.filter(({ places }) => places.size > 0);
  expect(minted.length).toBeGreaterThan(40);
  for (const { text, places } of minted) for (const place of places) expect(shown.get(place)).toContain(coreOf(text));
});

it("sealed columns hold ciphertext alone", () => {
  const sealed = cells.filter((cell) => cell.sealed);
  expect(sealed.length).toBeGreaterThan(50);
  expect(sealed.filter(({ bytes }) => !/^s1\.[\w-]{8}\.[\w-]{38,}$/.test(String(bytes)))).toEqual([]);
});

it("servers hear nothing of ours, receivers nothing but what is meant for them, and redirects are not followed", () => {
  const asked = servers.flatMap(({ fake }) =>
    fake.requests.map(
      (one): Place => ({ place: `to the server: ${one.call}`, bytes: Buffer.from(JSON.stringify(one)) }),
    ),
  );
  expect(asked.length).toBeGreaterThan(500);
  expect(told(new Search(ours).in(asked))).toEqual([]);
  expect(receiver.got.length).toBeGreaterThan(50);
  expect(receiver.got.filter(({ path }) => path.startsWith("/followed"))).toEqual([]);
  const meant = (what: string) => what === "webhook header" || what === "webhook address";
  const hooked = receiver.got.map(
    (one): Place => ({ place: "to a receiver", bytes: Buffer.from(JSON.stringify(one)) }),
  );
  expect(told(new Search([...theirs, ...ours.filter(({ what }) => !meant(what))]).in(hooked))).toEqual([]);
});
