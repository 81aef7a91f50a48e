import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { generated, sha256Of } from "../harness/fake/content.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { fetched as fetchedFrom } from "../harness/fetched.ts";
import { growthOf } from "../harness/memory.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { admin, type MintedKey, mintKey, registerInstance } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";

const MIB = 1024 * 1024;
const file = generated(7, 6 * MIB + 19);
const fileHash = sha256Of(file);

let server: FakeServer;
let relay: TestRelay;
let minted: MintedKey;

beforeAll(async () => {
  [server, relay] = await Promise.all([startFake(), startRelay()]);
  const { email, password } = server.fake;
  await server.fake.put("file.zip", file, Date.now() - 60_000);
  // Looking into new backups would take the faults that are meant for the downloads.
  await registerInstance(relay, { url: server.url, email, password }, { verify: false });
  minted = await mintKey(relay);
});
afterAll(async () => {
  await relay?.stop();
  await server?.stop();
});
afterEach(() => server.fake.faults.clear());

const authorization = () => ({ authorization: minted.key });

const fetched = (key: string, headers: Record<string, string> = {}) =>
  fetchedFrom(`${relay.url}/api/backups/${key}`, { headers: { ...authorization(), ...headers } });

const downloads = () =>
  server.fake.requests.filter(({ call, method }) => call === "download" && method === "GET").length;

/** Of the places where the server cuts. */
const SEED = 20_261_128;

describe("HEALING=exact on a real process", () => {
  const complete = { status: 200, whole: true, bytes: file.size, sha256: fileHash };

  for (const how of ["fin", "reset"] as const) {
    it(`delivers the very file when the server cuts anywhere by ${how}`, async () => {
      for (const bytes of [0, 1, 2 * MIB + 12_345, file.size - 1]) {
        server.fake.faults.add({ kind: "cutAt", bytes, how, on: "download", times: 1 });
        expect(await fetched("file.zip")).toEqual(complete);
      }
      server.fake.faults.add({ kind: "cutAt", bytes: 70_000, how, on: "download", times: 5 });
      expect(await fetched("file.zip")).toEqual(complete);
      const places = fc.sample(fc.integer({ min: 0, max: 499_999 }), { numRuns: 20, seed: SEED });
      for (const [after, bytes] of places.entries())
        server.fake.faults.add({ kind: "cutAt", bytes, how, on: "download", times: 1, after });
      const before = downloads();
      expect(await fetched("file.zip"), `seed ${SEED}`).toEqual(complete);
      expect(downloads() - before).toBeGreaterThan(5);
    });
  }

  it("heals a range, a dead token, a proxy's page and a connection that fails, all in one transfer", async () => {
    const cut = { kind: "cutAt", bytes: 100_000, on: "download", times: 1 } as const;
    server.fake.faults.add(
      cut,
      { kind: "deadToken", on: "download", times: 1, after: 1 },
      { kind: "html", status: 502, on: "download", times: 1, after: 2 },
      { kind: "reset", on: "download", times: 1, after: 3 },
    );
    const wanted = createHash("sha256")
      .update(file.read(1000, 3 * MIB))
      .digest("hex");
    const got = await fetched("file.zip", { range: `bytes=1000-${3 * MIB + 999}` });
    expect(got).toEqual({ status: 206, whole: true, bytes: 3 * MIB, sha256: wanted });
  });

  const spoiling = [
    ["a swapped file", { kind: "swap" }],
    ["the whole instead of the rest", { kind: "ignoreRange" }],
    ["another range", { kind: "wrongRange", by: 1 }],
    ["a recoded rest", { kind: "gzip" }],
    ["a wrong length", { kind: "wrongLength", by: -1 }],
    ["a vanished file", { kind: "vanish" }],
  ] as const;
  for (const [what, fault] of spoiling) {
    it(`a server that goes on with ${what} ends in a failure the client sees`, async () => {
      await server.fake.put("spoilt.zip", file, Date.now() - 60_000);
      server.fake.faults.add(
        { kind: "cutAt", bytes: 2 * MIB, on: "download", times: 1 },
        { ...fault, on: "download", times: 1, after: 1 },
      );
      const got = await fetched("spoilt.zip");
      expect(got.whole).toBe(false);
      expect(got.bytes).toBeLessThanOrEqual(2 * MIB);
      server.fake.remove("spoilt.zip");
    });
  }

  it("a key that is disabled meanwhile ends its transfer at the next cut", async () => {
    const other = await mintKey(relay, { name: "revoked" });
    server.fake.faults.add(
      { kind: "trickle", bytes: 65_536, everyMs: 20, on: "download" },
      { kind: "cutAt", bytes: 2 * MIB, on: "download" },
    );
    const running = fetched("file.zip", { authorization: other.key });
    await vi.waitUntil(() => server.fake.bodies.open > 0, SOON);
    const path = `/v1/keys/${other.id}`;
    expect((await admin(relay, path, { method: "PATCH", body: { disabled: true } })).status).toBe(200);
    const got = await running;
    expect(got.whole).toBe(false);
    expect(got.bytes).toBeLessThanOrEqual(2 * MIB);
  });

  it("delivers the very file to a client that takes its time", async () => {
    const slow = generated(11, 40 * MIB + 5);
    await server.fake.put("slow.zip", slow, Date.now() - 60_000);
    const response = await fetch(`${relay.url}/api/backups/slow.zip`, { headers: authorization() });
    const hash = createHash("sha256");
    let bytes = 0;
    let rested = 0;
    for await (const piece of response.body!) {
      hash.update(piece);
      bytes += piece.length;
      if (bytes < rested + 3 * MIB) continue;
      rested = bytes;
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect({ bytes, sha256: hash.digest("hex") }).toEqual({ bytes: slow.size, sha256: sha256Of(slow) });
    server.fake.remove("slow.zip");
  });

  it("a client that leaves closes the server's side at once, fast or trickling", async () => {
    await server.fake.put("long.zip", generated(8, 1024 * MIB), Date.now() - 60_000);
    for (const slow of [false, true]) {
      if (slow) server.fake.faults.add({ kind: "trickle", bytes: 100, everyMs: 20, on: "download" });
      const leaving = new AbortController();
      const response = await fetch(`${relay.url}/api/backups/long.zip`, {
        headers: authorization(),
        signal: leaving.signal,
      });
      await response.body!.getReader().read();
      expect(server.fake.bodies.open).toBe(1);
      leaving.abort();
      await vi.waitUntil(() => server.fake.bodies.open === 0, SOON);
    }
  });
});

/** Reads so slowly that everything in between fills up. */
function slowClient(key: string): Promise<Socket> {
  const { hostname, port } = new URL(relay.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET /api/backups/${key} HTTP/1.1\r\nHost: relay\r\nAuthorization: ${minted.key}\r\n\r\n`);
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("readable", () => {
      socket.read(10);
      resolve(socket);
    });
  });
}

/** Takes 64 KiB every 200 ms, until it is destroyed. */
async function readingClient(key: string): Promise<Socket> {
  const socket = await slowClient(key);
  const timer = setInterval(() => socket.read(64 * 1024), 200);
  return socket.once("close", () => clearInterval(timer));
}

/** Of the newest download, as the audit tells it. */
async function audited(): Promise<string | null> {
  const answer = await admin(relay, "/v1/audit?action=download&limit=1");
  return ((await answer.json()) as { items: { detail: string | null }[] }).items[0]!.detail;
}

/** For what moves a gibibyte, or slowly: on a busy machine it takes longer than a test usually may. */
const LONG = { timeout: 180_000, interval: 100 };

describe("large files", { timeout: LONG.timeout }, () => {
  const large = generated(9, 1024 * MIB);
  const hash = sha256Of(large);

  for (const healing of ["exact", "segments", "off"] as const) {
    it(`HEALING=${healing}: 1 GiB passes with flat memory, 50 clients that do not read cost little`, async () => {
      await relay.restart({ HEALING: healing });
      await server.fake.put("large.zip", large, Date.now() - 60_000);
      const grown = await growthOf(relay, async () => {
        expect(await fetched("large.zip")).toEqual({ status: 200, whole: true, bytes: large.size, sha256: hash });
      });
      expect(grown).toBeLessThan(150);
      const clients = await Promise.all(Array.from({ length: 50 }, () => slowClient("large.zip")));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(relay.rssBytes() / MIB).toBeLessThan(512);
      for (const client of clients) client.destroy();
      await vi.waitUntil(() => server.fake.bodies.open === 0, SOON);
    });
  }

  for (const healing of ["exact", "segments"] as const) {
    it(`HEALING=${healing}: 50 clients that read slowly cost little`, async () => {
      await relay.restart({ HEALING: healing });
      const before = relay.rssBytes() / MIB;
      const clients: Socket[] = [];
      const grown = await growthOf(relay, async () => {
        clients.push(...(await Promise.all(Array.from({ length: 50 }, () => readingClient("large.zip")))));
        await vi.waitUntil(() => clients.every(({ bytesRead }) => bytesRead > 10 * 64 * 1024), LONG);
      });
      expect(before + grown).toBeLessThan(512);
      for (const client of clients) client.destroy();
      await vi.waitUntil(() => server.fake.bodies.open === 0, SOON);
    });

    it(`HEALING=${healing}: the audit tells a whole download from one whose client left`, async () => {
      await relay.restart({ HEALING: healing });
      expect(await fetched("file.zip")).toMatchObject({ whole: true });
      await vi.waitUntil(async () => (await audited()) === `${file.size} bytes, complete`, SOON);
      (await slowClient("large.zip")).destroy();
      await vi.waitUntil(async () => /^\d+ bytes, client_gone$/.test((await audited()) ?? ""), SOON);
    });
  }

  for (const healing of ["segments", "off"] as const)
    it(`HEALING=${healing}: a client that leaves closes the server's side at once, fast or trickling`, async () => {
      await relay.restart({ HEALING: healing });
      for (const slow of [false, true]) {
        if (slow) server.fake.faults.add({ kind: "trickle", bytes: 100, everyMs: 20, on: "download" });
        const client = await slowClient("large.zip");
        await vi.waitUntil(() => server.fake.bodies.open === 1, SOON);
        client.destroy();
        await vi.waitUntil(() => server.fake.bodies.open === 0, SOON);
      }
    });

  it("segments: what fits into one piece heals as well, whole or a range", async () => {
    await relay.restart({ HEALING: "segments" });
    for (const headers of [{}, { range: "bytes=0-" }] as Record<string, string>[]) {
      server.fake.faults.add({ kind: "cutAt", bytes: 2 * MIB, on: "download", times: 1 });
      expect(await fetched("file.zip", headers)).toMatchObject({ whole: true, bytes: file.size, sha256: fileHash });
    }
  });

  it("segments: a piece that does not start is tried again, a break inside one heals", async () => {
    await relay.restart({ HEALING: "segments" });
    const medium = generated(10, 130 * MIB + 3);
    await server.fake.put("medium.zip", medium, Date.now() - 60_000);
    server.fake.faults.add(
      { kind: "reset", on: "download", times: 1, after: 1 },
      { kind: "deadToken", on: "download", times: 1, after: 3 },
    );
    const before = downloads();
    expect(await fetched("medium.zip")).toMatchObject({ whole: true, sha256: sha256Of(medium) });
    expect(downloads() - before).toBe(5);
    server.fake.faults.clear();
    server.fake.faults.add({ kind: "cutAt", bytes: 3 * MIB, on: "download", times: 1, after: 1 });
    expect(await fetched("medium.zip")).toMatchObject({ whole: true, sha256: sha256Of(medium) });
    expect(downloads() - before).toBe(9);
  });

  it("off: a cut is seen by the client", async () => {
    await relay.restart({ HEALING: "off" });
    server.fake.faults.add({ kind: "cutAt", bytes: MIB, on: "download", times: 1 });
    expect(await fetched("file.zip")).toMatchObject({ status: 200, whole: false });
    await relay.restart({ HEALING: "exact" });
  });
});
