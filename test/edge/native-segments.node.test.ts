import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { asOnCloudflare } from "../harness/as-on-cloudflare.ts";
import { generated, sha256Of } from "../harness/fake/content.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { fetched as fetchedFrom } from "../harness/fetched.ts";
import { growthOf } from "../harness/memory.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { admin, type MintedKey, mintKey, registerInstance } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";

/** `HEALING=segments` as Cloudflare has it: the runtime itself pipes the pieces. */

const MIB = 1024 * 1024;
const large = generated(31, 1024 * MIB);
const medium = generated(32, 130 * MIB + 3);
let server: FakeServer;
let relay: TestRelay;
let minted: MintedKey;

beforeAll(async () => {
  [server, relay] = await Promise.all([
    startFake(),
    startRelay({ settings: { HEALING: "segments" }, within: asOnCloudflare }),
  ]);
  const { email, password } = server.fake;
  await server.fake.put("large.zip", large, Date.now() - 60_000);
  await server.fake.put("medium.zip", medium, Date.now() - 60_000);
  // A backup that is verified is read by the relay itself, which would meet the faults meant for downloads.
  await registerInstance(relay, { url: server.url, email, password }, { verify: false });
  minted = await mintKey(relay);
});
afterAll(async () => {
  await relay?.stop();
  await server?.stop();
});
afterEach(() => server.fake.faults.clear());

const asked = (key: string, signal?: AbortSignal) =>
  fetch(`${relay.url}/api/backups/${key}`, { headers: { authorization: minted.key }, signal });

const fetched = (key: string) =>
  fetchedFrom(`${relay.url}/api/backups/${key}`, { headers: { authorization: minted.key } });

/** Where the requests for a backup began, in MiB; null for one of the whole. */
const begun = (key: string) =>
  server.fake.requests
    .filter(({ call, path }) => call === "download" && path.includes(key))
    .map(({ headers }) => (headers.range ? Number(/^bytes=(\d+)-/.exec(headers.range)?.[1]) / MIB : null));

/** Of the newest download, as the audit tells it once it is over. */
async function told(): Promise<string> {
  const answer = await admin(relay, "/v1/audit?action=download&limit=1");
  const { items } = (await answer.json()) as { items: { detail: string | null }[] };
  return items[0]?.detail ?? "";
}

describe("segments piped by the runtime", () => {
  it("1 GiB passes in pieces, with flat memory", async () => {
    const grown = await growthOf(relay, async () => {
      expect(await fetched("large.zip")).toEqual({
        status: 200,
        whole: true,
        bytes: large.size,
        sha256: sha256Of(large),
      });
    });
    expect(grown).toBeLessThan(150);
    expect(begun("large.zip")).toEqual(Array.from({ length: 16 }, (_, n) => n * 64));
    await vi.waitUntil(async () => (await told()) === `${large.size} bytes, complete`, SOON);
  });

  it("a piece that does not start is tried again, with another token where that was the reason", async () => {
    server.fake.faults.add(
      { kind: "reset", on: "download", times: 1, after: 1 },
      { kind: "deadToken", on: "download", times: 1, after: 3 },
    );
    expect(await fetched("medium.zip")).toEqual({
      status: 200,
      whole: true,
      bytes: medium.size,
      sha256: sha256Of(medium),
    });
    expect(begun("medium.zip")).toEqual([0, 64, 64, 128, 128]);
  });

  for (const how of ["fin", "reset"] as const)
    it(`a break inside a piece by ${how} ends where the client sees it`, async () => {
      server.fake.faults.add({ kind: "cutAt", bytes: 3 * MIB, how, on: "download", times: 1, after: 1 });
      const got = await fetched("medium.zip");
      expect(got.whole).toBe(false);
      expect(got.bytes).toBeLessThanOrEqual(67 * MIB);
      await vi.waitUntil(async () => (await told()) === `${64 * MIB} bytes, transfer_cut`, SOON);
      expect(server.fake.bodies.open).toBe(0);
    });

  it("what fits into one piece is one answer, and a break in it is seen as well", async () => {
    await server.fake.put("small.zip", generated(33, 6 * MIB), Date.now() - 60_000);
    server.fake.faults.add({ kind: "cutAt", bytes: MIB, on: "download", times: 1 });
    expect(await fetched("small.zip")).toMatchObject({ whole: false });
    expect(await fetched("small.zip")).toMatchObject({ whole: true, bytes: 6 * MIB });
    expect(begun("small.zip")).toEqual([null, null]);
  });

  it("a client that leaves closes the server's side at once, fast or trickling, in any piece", async () => {
    for (const [slow, readBytes] of [
      [false, 1],
      [false, 65 * MIB],
      [true, 1],
    ] as const) {
      if (slow) server.fake.faults.add({ kind: "trickle", bytes: 100, everyMs: 20, on: "download" });
      const leaving = new AbortController();
      const reader = (await asked("large.zip", leaving.signal)).body!.getReader();
      for (let got = 0; got < readBytes; ) got += (await reader.read()).value!.length;
      expect(server.fake.bodies.open).toBe(1);
      leaving.abort();
      await vi.waitUntil(() => server.fake.bodies.open === 0, SOON);
      await vi.waitUntil(async () => / bytes, client_gone$/.test(await told()), SOON);
    }
  });
});
