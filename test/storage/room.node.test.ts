import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { roomFolder } from "../../scripts/workerd-config.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { ownMount } from "../harness/own-mount.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { admin, mintKey, registerInstance } from "../harness/relay-client.ts";
import { STARTED } from "../harness/waiting.ts";

/** Its data lies on a disk of its own, of 4 MiB. */
let relay: TestRelay;
let server: FakeServer;
let key: string;
const dataDir = join(tmpdir(), `relay-room-${process.pid}`);
/** The data as the relay sees it. */
const seen = (name: string) => join(`/proc/${relay.pid}/root`, dataDir, name);

/** Takes all the room there is. */
async function fill(): Promise<void> {
  const file = await open(seen("fill"), "w");
  const block = Buffer.alloc(4096);
  try {
    for (;;) await file.write(block);
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
  } finally {
    await file.close();
  }
}

beforeAll(async () => {
  const mount = `mount -t tmpfs -o size=4m tmpfs "$0" && mkdir "$0/${roomFolder}"`;
  [relay, server] = await Promise.all([startRelay({ dataDir, within: ownMount(mount, dataDir) }), startFake()]);
  const place = { url: server.url, email: server.fake.email, password: server.fake.password };
  await registerInstance(relay, place, { verify: false, pollSeconds: 86_400 });
  await server.fake.make("a.zip");
  ({ key } = await mintKey(relay, { preset: "owner" }));
});
afterAll(async () => {
  await relay?.stop();
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into field by field
type Answer = { status: number; json: any };
const answerOf = async (response: Response): Promise<Answer> => ({
  status: response.status,
  json: await response.json().catch(() => null),
});
const asAdmin = async (path: string, body?: object) => answerOf(await admin(relay, path, { body }));
const asKey = async (method: string, path: string, body?: object) =>
  answerOf(
    await fetch(relay.url + path, {
      method,
      headers: { authorization: key, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    }),
  );

it("a full disk is storage_full for what must be written, reads go on, and health tells until there is room", async () => {
  expect((await asKey("GET", "/api/backups")).json).toMatchObject([{ key: "a.zip" }]);
  expect((await asAdmin("/v1/health")).status).toBe(200);
  await fill();
  const full = { status: 503, json: { code: "storage_full" } };
  const before = server.fake.requests.length;
  expect(await asAdmin("/v1/keys", { name: "late", preset: "robot" })).toMatchObject(full);
  expect(await asKey("POST", "/api/backups", { name: "late.zip" })).toMatchObject(full);
  expect(await asKey("POST", "/v1/backups", { name: "late.zip" })).toMatchObject(full);
  expect(await asKey("GET", "/api/backups/a.zip")).toMatchObject(full);
  const place = { name: "other", url: server.url, credential: { token: "t".repeat(20) }, force: true };
  expect(await asAdmin("/v1/instances", place)).toMatchObject(full);
  expect(server.fake.requests.slice(before)).toEqual([]);

  for (const path of ["/v1/backups", "/v1/events", "/v1/operations", "/v1/keys", "/v1/audit", "/v1/webhooks"])
    for (const read of [await asKey("GET", path), await asAdmin(path)])
      expect([path, read.status, Array.isArray(read.json.items)]).toEqual([path, 200, true]);
  expect((await asKey("GET", "/api/backups")).json).toMatchObject([{ key: "a.zip" }]);
  expect((await asAdmin("/v1/instances/demo")).status).toBe(200);
  expect((await asKey("GET", "/v1/events/verify")).json).toMatchObject({ ok: true });
  const health = await vi.waitUntil(async () => {
    const answer = await asAdmin("/v1/health");
    return answer.status !== 200 && answer;
  }, STARTED);
  expect(health).toMatchObject(full);

  await rm(seen("fill"));
  await vi.waitUntil(
    async () => (await asAdmin("/v1/keys", { name: "late", preset: "robot" })).status === 201,
    STARTED,
  );
  await vi.waitUntil(async () => (await asAdmin("/v1/health")).status === 200, STARTED);
  expect((await asKey("GET", "/v1/events/verify")).json).toMatchObject({ ok: true });
});
