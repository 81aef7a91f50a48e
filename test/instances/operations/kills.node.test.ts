import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { root } from "../../../scripts/root.ts";
import { database } from "../../harness/archive/database.ts";
import { zip } from "../../harness/archive/zip.ts";
import { type FakeServer, startFake } from "../../harness/fake/server.ts";
import type { FakeUpstream } from "../../harness/fake/upstream.ts";
import { startRelay, type TestRelay } from "../../harness/relay.ts";
import { admin, endOf, mintKey, registerInstance } from "../../harness/relay-client.ts";

type Operation = { id: string; state: string; error: { code: string } | null };
type Event = { type: string; data: { backup?: { key: string } } };

/** Where a relay is killed: while a call of the server is under way, before or after the server carried it out. */
type Point = {
  kind: "create" | "delete" | "restore";
  /** The step whose call it is, and the call in words. */
  step: string;
  call: string;
  /** The call that is held, and how many such go before. `worked`: the server has done it already. */
  on: (method: string, path: string) => boolean;
  after?: number;
  worked?: boolean;
  /** The archive fails in the server's hands. */
  damaged?: boolean;
  /** How the operation ends after the restart, and how that is found out. */
  ends: string;
  because: string;
};

const create = (method: string, path: string) => method === "POST" && path === "/api/backups";
const list = (method: string, path: string) => method === "GET" && path === "/api/backups";
const remove = (method: string, path: string) => method === "DELETE" && path.startsWith("/api/backups/");
const read = (method: string, path: string) => method === "GET" && path.startsWith("/api/backups/");
const restore = (_method: string, path: string) => path.endsWith("/restore");
const records = "/api/collections/_authOrigins/records";
const plant = (method: string, path: string) => method === "POST" && path === records;
const watch = (method: string, path: string) => method === "GET" && path.startsWith(`${records}/`);
const tidy = (method: string, path: string) => method === "DELETE" && path.startsWith(records);

const points: Point[] = [
  {
    ...{ kind: "create", step: "sent", call: "the request, before the server has it", on: create },
    ...{ ends: "failed create_lost", because: "the list of an idle server never shows it" },
  },
  {
    ...{
      kind: "create",
      step: "sent",
      call: "the request, after the server made the backup",
      on: create,
      worked: true,
    },
    ...{ ends: "succeeded", because: "the list shows it" },
  },
  {
    ...{ kind: "create", step: "listed", call: "the look afterwards", on: list, after: 1 },
    ...{ ends: "succeeded", because: "the list shows it" },
  },
  {
    ...{ kind: "delete", step: "sent", call: "the request, before the server has it", on: remove },
    ...{ ends: "failed delete_lost", because: "the list still shows it" },
  },
  {
    ...{ kind: "delete", step: "sent", call: "the request, after the server removed it", on: remove, worked: true },
    ...{ ends: "succeeded", because: "two lists without it" },
  },
  {
    ...{ kind: "restore", step: "preflight", call: "a ranged read of the archive", on: read },
    ...{ ends: "succeeded", because: "the preflight is done again" },
  },
  {
    ...{ kind: "restore", step: "safety", call: "the safety backup, before the server has the request", on: create },
    ...{ ends: "failed safety_backup_failed", because: "the list never shows it: no safety backup, no restore" },
  },
  {
    ...{
      kind: "restore",
      step: "safety",
      call: "the safety backup, after the server made it",
      on: create,
      worked: true,
    },
    ...{ ends: "succeeded", because: "the list shows it; it is looked into and used" },
  },
  {
    ...{ kind: "restore", step: "safety", call: "a ranged read of the safety backup" },
    ...{ on: (method, path) => read(method, path) && path.includes("pre_restore_") },
    ...{ ends: "succeeded", because: "the list shows it; it is looked into again" },
  },
  {
    ...{ kind: "restore", step: "confirm", call: "the last look into the archive", on: read, after: -1 },
    ...{ ends: "succeeded", because: "it is looked into again" },
  },
  {
    ...{ kind: "restore", step: "canary", call: "planting the canary, before the server has it", on: plant },
    ...{ ends: "succeeded", because: "none is found by its nonce, so one is planted" },
  },
  {
    ...{
      kind: "restore",
      step: "canary",
      call: "planting the canary, after the server stored it",
      on: plant,
      worked: true,
    },
    ...{ ends: "succeeded", because: "it is found by its nonce" },
  },
  {
    ...{ kind: "restore", step: "sent", call: "the request, before the server has it", on: restore },
    ...{ ends: "failed restore_failed", because: "the canary is still there 5 s after the time of sending" },
  },
  {
    ...{ kind: "restore", step: "sent", call: "the request, after the server took it", on: restore, worked: true },
    ...{ ends: "succeeded", because: "the canary is gone" },
  },
  {
    ...{ kind: "restore", step: "watch", call: "a look at the canary", on: watch },
    ...{ ends: "succeeded", because: "watching goes on, counted from the time of sending" },
  },
  {
    ...{
      kind: "restore",
      step: "cleanup",
      call: "removing the canary, before the server did",
      on: tidy,
      damaged: true,
    },
    ...{ ends: "failed restore_failed", because: "the outcome is kept, the canary is removed" },
  },
  {
    ...{ kind: "restore", step: "cleanup", call: "removing the canary, after the server did", on: tidy, worked: true },
    ...{ damaged: true, ends: "failed restore_failed", because: "the outcome is kept, the canary is gone" },
  },
];

let relay: TestRelay;
const servers: FakeServer[] = [];
beforeAll(async () => {
  relay = await startRelay();
});
afterAll(async () => {
  await relay?.stop();
  for (const server of servers) await server.stop();
});

/** One server and instance per point; resolves when its call is held. */
async function stopped(point: Point) {
  const server = await startFake();
  servers.push(server);
  const { fake } = server;
  const instance = `p${points.indexOf(point)}`;
  if (point.damaged) await fake.put("a.zip", await damaged(), Date.now() - 60_000);
  else await fake.make("a.zip", Date.now() - 60_000);
  const place = { url: server.url, email: fake.email, password: fake.password };
  await registerInstance(relay, place, { name: instance, verify: false });
  // The first list is remembered and tells nothing.
  expect((await admin(relay, "/v1/backups", { instance })).status).toBe(200);
  const key = await mintKey(relay, {}, instance);
  const { reached, sent } = hold(fake, point);
  const authorization = key.key;
  const post = (body: unknown) => ({
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const asked = {
    create: () => fetch(`${relay.url}/v1/backups`, post({ name: "made.zip" })),
    restore: () => fetch(`${relay.url}/v1/backups/a.zip/restore`, post({})),
    delete: () => fetch(`${relay.url}/v1/backups/a.zip`, { method: "DELETE", headers: { authorization } }),
  };
  const answer = asked[point.kind]().catch(() => null);
  if (point.kind !== "delete") expect((await answer)?.status).toBe(202);
  await reached;
  return { point, instance, fake, sent };
}

async function damaged() {
  const bytes = zip([
    { name: "data.db", data: database({ pages: 4 }) },
    { name: "storage/a.bin", data: database({ pages: 8 }) },
  ]);
  bytes[Math.floor(bytes.length / 2)]! ^= 0xff;
  return bytes;
}

/** Keeps the point's call from being answered, or from being worked on, until the relay is gone; counts what was sent. */
function hold(fake: FakeUpstream, { on, after = 0, worked = false }: Point) {
  const { fetch } = fake;
  const requests: [method: string, path: string][] = [];
  const sent = (call: Point["on"]) => requests.filter((request) => call(...request)).length;
  let seen = 0;
  let planted = false;
  const reached = new Promise<void>((resolve) => {
    const holding = async (input: string | URL | Request, init?: RequestInit) => {
      const request = input instanceof Request ? input : new Request(input, init);
      const { pathname } = new URL(request.url);
      requests.push([request.method, pathname]);
      // The look before the request is the first one after the safety backup was looked into.
      planted ||= pathname.includes("pre_restore_");
      const counted = on(request.method, pathname) && (after >= 0 || (planted && !pathname.includes("pre_restore_")));
      if (!counted || seen++ !== Math.max(after, 0)) return fetch(request);
      if (worked) await fetch(request);
      resolve();
      return new Promise<Response>(() => {});
    };
    Object.assign(fake, { fetch: holding });
  });
  return { reached, sent };
}

/** What waits in line, and for an approval, behind an operation that is held. */
async function behind(instance: string): Promise<{ queued: string; pending: string }> {
  const key = await mintKey(relay, { scopes: ["backups:restore"], approval: ["backups:restore"] }, instance);
  const queued = await admin(relay, "/v1/backups", { instance, body: { name: "second.zip" } });
  const pending = await fetch(`${relay.url}/v1/backups/a.zip/restore`, {
    method: "POST",
    headers: { authorization: key.key },
  });
  const [first, second] = (await Promise.all([queued.json(), pending.json()])) as Operation[];
  expect(second).toMatchObject({ state: "awaiting_approval" });
  expect([first?.state, second?.state]).toEqual(["queued", "awaiting_approval"]);
  return { queued: first!.id, pending: second!.id };
}

/** The end of the first operation of its kind; the others came after the held one. */
async function ended(instance: string, kind: string): Promise<Operation> {
  const listed = await admin(relay, `/v1/operations?kind=${kind}`, { instance });
  return over(instance, ((await listed.json()) as { items: Operation[] }).items.at(-1)!.id);
}

const over = (instance: string, id: string) => endOf<Operation>(relay, id, instance);

const begins = "<!-- kill points: written by test/instances/operations/kills.node.test.ts -->";
const finish = "<!-- end of kill points -->";

function tableOf(rows: string[][]): string {
  const head = ["operation", "step", "killed during", "ends", "because"];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

it("goes on after a kill at every step, and sends nothing twice", async () => {
  // Those that are reached late go first: no call is held until it times out by itself.
  const late = await Promise.all(points.filter((point) => point.damaged).map(stopped));
  const soon = await Promise.all(points.filter((point) => !point.damaged).map(stopped));
  const all = [...soon, ...late];
  const waiting = await behind(soon[1]!.instance);
  await relay.kill9();
  await relay.restart();
  const rows = await Promise.all(
    all.map(async ({ point, instance, fake, sent }) => {
      const { kind, step, call, because } = point;
      const operation = await ended(instance, kind);
      const ends = operation.error ? `${operation.state} ${operation.error.code}` : operation.state;
      expect({ kind, step, call, ends }).toEqual({ kind, step, call, ends: point.ends });
      // Once each at most, the kill included; a canary that never arrived is planted a second time.
      const once = (...kinds: string[]) => (kinds.includes(kind) ? 1 : 0);
      // Another create waited in line there, and is sent once as well.
      const line = instance === soon[1]!.instance ? 1 : 0;
      if (line) await over(instance, waiting.queued);
      expect([kind, step, call, sent(create) - line, sent(restore), sent(remove)]).toEqual([
        ...[kind, step, call],
        once("create", "restore"),
        ends.includes("safety") ? 0 : once("restore"),
        once("delete"),
      ]);
      expect([...fake.world.canaries]).toEqual([]);
      return [
        kind,
        `\`${step}\``,
        call,
        ends.replace(" ", ", `").replace(/([a-z])$/, ends.includes(" ") ? "$1`" : "$1"),
        because,
      ];
    }),
  );
  expect(await over(soon[1]!.instance, waiting.queued)).toMatchObject({ state: "succeeded" });
  const denial = { instance: soon[1]!.instance, method: "POST" };
  const denied = await admin(relay, `/v1/operations/${waiting.pending}/deny`, denial);
  expect(await denied.json()).toMatchObject({ state: "denied" });
  for (const { point, instance } of all) {
    const { items } = (await (await admin(relay, "/v1/events?limit=200", { instance })).json()) as { items: Event[] };
    const told = items
      .filter(({ type }) => !type.startsWith("key."))
      .map(({ type, data }) => `${type} ${data.backup?.key}`);
    expect([point.step, point.call, new Set(told).size]).toEqual([point.step, point.call, told.length]);
    const outcome = told.filter((line) => /^restore\.(completed|failed|unknown)/.test(line));
    expect(outcome).toHaveLength(point.kind === "restore" ? 1 : 0);
    const verdict = await (await admin(relay, "/v1/events/verify", { instance })).json();
    expect(verdict).toMatchObject({ ok: true });
  }
  const file = join(root, "docs/operations.md");
  const text = await readFile(file, "utf8");
  const written = `${text.split(begins)[0]}${begins}\n\n${tableOf(rows)}\n\n${finish}${text.split(finish)[1]}`;
  if (process.env.WRITE_DOCS) await writeFile(file, written);
  else expect(text).toBe(written);
});
