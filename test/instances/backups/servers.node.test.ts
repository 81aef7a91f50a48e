import { copyFile, readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { startPocketBase, type TestPocketBase } from "../../harness/pocketbase.ts";
import { startRelay, type TestRelay } from "../../harness/relay.ts";
import { admin, endOf, registerInstance } from "../../harness/relay-client.ts";

const DAY = 86_400_000;
/** Of a real server and relay on a busy machine. */
const WAIT = { timeout: 30_000, interval: 250 };

type View = { key: string; madeAt: string; madeAtBy: string; verified: string };

let relay: TestRelay;
let server: TestPocketBase;
let backups: string;

const json = async <T>(path: string, body?: unknown, method?: string): Promise<T> =>
  (await (await admin(relay, path, { body, method })).json()) as T;
const latest = () => json<View & { skipped: View[] }>("/v1/backups/latest?maxAgeSeconds=3600");
/** Each list is a look: what came is announced, and looked into, without waiting for the next one. */
const lookedInto = (key: string) =>
  vi.waitUntil(async () => {
    const { items } = await json<{ items: View[] }>("/v1/backups");
    return items.find((item) => item.key === key && item.verified === "ok");
  }, WAIT);

beforeAll(async () => {
  [server, relay] = await Promise.all([startPocketBase(), startRelay()]);
  backups = join(server.dataDir, "backups");
  await registerInstance(relay, server);
  const { id } = await json<{ id: string }>("/v1/backups", { name: "real.zip" });
  expect(await endOf(relay, id)).toMatchObject({ state: "succeeded" });
});
afterAll(() => Promise.all([server?.stop(), relay?.stop()]));

it("a real server's newest backup stays the newest beside a copy dated 30 days ahead", async () => {
  await copyFile(join(backups, "real.zip"), join(backups, "ahead.zip"));
  const ahead = new Date(Date.now() + 30 * DAY);
  await utimes(join(backups, "ahead.zip"), ahead, ahead);
  expect(await latest()).toMatchObject({ key: "real.zip", madeAtBy: "seen", skipped: [{ key: "ahead.zip" }] });
  const { madeAt, madeAtBy } = await lookedInto("ahead.zip");
  expect([madeAtBy, Date.parse(madeAt) <= Date.now()]).toEqual(["archive", true]);
  expect(await latest()).toMatchObject({ key: "real.zip", skipped: [] });
});

it("a two-year-old archive uploaded today is two years old, for latest and for whoever restores it", async () => {
  const since = Math.floor((Date.now() - 730 * DAY) / 1000);
  const uploaded = await fetch(`${relay.url}/v1/backups/old.zip`, {
    method: "PUT",
    headers: { authorization: `Bearer ${relay.adminToken}` },
    body: changedAt(await readFile(join(backups, "real.zip")), since),
  });
  expect(uploaded.status).toBe(201);
  expect(await lookedInto("old.zip")).toMatchObject({
    madeAt: new Date(since * 1000).toISOString(),
    madeAtBy: "archive",
  });
  expect(await latest()).toMatchObject({ key: "real.zip", skipped: [] });
  const preflight = await json("/v1/backups/old.zip/restore", { dryRun: true });
  expect(preflight).toMatchObject({ ok: true, madeAt: new Date(since * 1000).toISOString() });
});

/** The archive with another time for every file, in seconds since the epoch, as the server's writer writes it. */
function changedAt(archive: Buffer<ArrayBuffer>, seconds: number): Buffer<ArrayBuffer> {
  const header = Buffer.from("5554050001", "hex");
  let files = 0;
  for (let at = archive.indexOf(header); at >= 0; at = archive.indexOf(header, at + 9), files++)
    archive.writeInt32LE(seconds, at + header.length);
  expect(files).toBeGreaterThan(2);
  return archive;
}
