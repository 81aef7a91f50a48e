import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type Content, generated, sha256Of } from "../harness/fake/content.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
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
  await registerInstance(relay, { url: server.url, email, password });
  minted = await mintKey(relay);
});
afterAll(async () => {
  await relay?.stop();
  await server?.stop();
});
afterEach(() => server.fake.faults.clear());

const authorization = () => ({ authorization: minted.key });

/** What a client sees of a download: every byte hashed, `whole` only when the transfer ended as announced. */
async function fetched(key: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${relay.url}/api/backups/${key}`, { headers: { ...authorization(), ...headers } });
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const piece of response.body!) {
      hash.update(piece);
      bytes += piece.length;
    }
  } catch {
    return { status: response.status, whole: false, bytes, sha256: null };
  }
  return { status: response.status, whole: true, bytes, sha256: hash.digest("hex") };
}

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

/** Waits for the most memory that was in use while `work` ran, in MiB above the start. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = relay.rssBytes();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, relay.rssBytes());
  }, 20);
  await work();
  clearInterval(timer);
  return (most - before) / MIB;
}

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

describe("large files", () => {
  const large = generated(9, 1024 * MIB);
  const hash = sha256Of(large);

  for (const healing of ["exact", "segments", "off"] as const) {
    it(`HEALING=${healing}: 1 GiB passes with flat memory, 50 clients that do not read cost little`, async () => {
      await relay.restart({ HEALING: healing });
      await server.fake.put("large.zip", large, Date.now() - 60_000);
      const grown = await growth(async () => {
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
      const grown = await growth(async () => {
        clients.push(...(await Promise.all(Array.from({ length: 50 }, () => readingClient("large.zip")))));
        await new Promise((resolve) => setTimeout(resolve, 3000));
      });
      expect(Math.min(...clients.map(({ bytesRead }) => bytesRead))).toBeGreaterThan(10 * 64 * 1024);
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

const BOUNDARY = "----transferboundary";
const head = (name: string) =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/zip\r\n\r\n`;
const tail = `\r\n--${BOUNDARY}--\r\n`;

type Upload = {
  form: "multipart" | "raw";
  name: string;
  content: Content;
  stopAt?: number;
  around?: [string, string];
  pauseMs?: number;
};

/**
 * Sends an upload over a connection of its own; with `stopAt` the client vanishes after so many bytes of its body, with
 * `pauseMs` it rests after the first MiB.
 */
function sent({
  form,
  name,
  content,
  stopAt,
  around,
  pauseMs,
}: Upload): Promise<{ status: number; body: string } | "vanished"> {
  const [before, after] = form === "raw" ? ["", ""] : (around ?? [head(name), tail]);
  const length = Buffer.byteLength(before) + content.size + Buffer.byteLength(after);
  const raw = form === "raw";
  return new Promise((resolve, reject) => {
    const request = httpRequest(relay.url + (raw ? `/v1/backups/${name}` : "/api/backups/upload"), {
      method: raw ? "PUT" : "POST",
      headers: {
        ...authorization(),
        "content-length": length,
        "content-type": raw ? "application/zip" : `multipart/form-data; boundary=${BOUNDARY}`,
      },
    });
    let vanished = false;
    request.on("error", (error) => (vanished ? resolve("vanished") : reject(error)));
    request.on("response", async (response) => {
      let body = "";
      for await (const piece of response) body += piece;
      resolve({ status: response.statusCode!, body });
    });
    const put = (piece: Uint8Array | string) =>
      new Promise<void>((go) => (request.write(piece) ? go() : request.once("drain", go).once("close", go)));
    const stream = async () => {
      await put(before);
      const end = Math.min(content.size, stopAt ?? content.size);
      for (let at = 0; at < end && !request.destroyed; at += MIB) {
        await put(content.read(at, Math.min(MIB, end - at)));
        if (at === 0 && pauseMs) await new Promise((go) => setTimeout(go, pauseMs));
      }
      if (stopAt === undefined) return void request.end(after);
      // The relay gets what was sent, and then the end of the connection.
      await new Promise((go) => setTimeout(go, 50));
      vanished = true;
      request.destroy();
    };
    stream().catch(reject);
  });
}

const stored = (name: string) => server.fake.world.backups.get(name)?.content ?? null;

for (const form of ["multipart", "raw"] as const) {
  describe(`${form} uploads on a real process`, () => {
    const created = form === "raw" ? 201 : 204;
    const content = generated(20, 3 * MIB + 7);

    it("store the very bytes", async () => {
      const name = `${form}-whole.zip`;
      expect(await sent({ form, name, content })).toMatchObject({ status: created });
      expect(sha256Of(stored(name)!)).toBe(sha256Of(content));
    });

    it("1 GiB passes with flat memory", async () => {
      const big = generated(21, 1024 * MIB);
      const name = `${form}-big.zip`;
      const grown = await growth(async () => {
        expect(await sent({ form, name, content: big })).toMatchObject({ status: created });
      });
      expect(grown).toBeLessThan(150);
      expect(stored(name)!.size).toBe(big.size);
      expect(server.fake.uploads.at(-1)!.sha256).toBe(sha256Of(big));
    });

    it("whose client vanishes at any offset leave nothing behind, and the name free", async () => {
      const name = `${form}-gone.zip`;
      for (let n = 0; n < 10; n++) {
        const stopAt = Math.floor((content.size * n) / 10) + n;
        expect(await sent({ form, name, content, stopAt })).toBe("vanished");
      }
      expect(stored(name)).toBe(null);
      const status = async () => ((await sent({ form, name, content })) as { status: number }).status;
      await vi.waitUntil(async () => (await status()) === created, SOON);
    });

    it("of one name at once: one wins, the other is told", async () => {
      const name = `${form}-twice.zip`;
      const both = await Promise.all([sent({ form, name, content }), sent({ form, name, content })]);
      const statuses = both.map((answer) => (answer as { status: number }).status).sort();
      expect(statuses[0]).toBe(created);
      expect(statuses[1]).toBe(form === "raw" ? 409 : 400);
      expect(sha256Of(stored(name)!)).toBe(sha256Of(content));
    });

    it("that are no ZIP are told so even when the client sends everything first", async () => {
      const text = { size: 20 * MIB, read: (_: number, length: number) => new Uint8Array(length).fill(65) };
      const got = await sent({ form, name: `${form}-text.zip`, content: text });
      expect(got).toMatchObject({ status: 400 });
      expect(JSON.parse((got as { body: string }).body)).toMatchObject({
        code: "upload_not_zip",
        data: { file: { code: "validation_invalid_mime_type" } },
      });
    });
  });
}

describe("a client that rests", () => {
  it("uploads all the same: workerd puts an object out of memory when nobody asked it anything for ten seconds", async () => {
    const content = generated(23, 2 * MIB + 5);
    const resting = (["multipart", "raw"] as const).map((form) =>
      sent({ form, name: `resting-${form}.zip`, content, pauseMs: 12_000 }),
    );
    expect(await Promise.all(resting)).toMatchObject([{ status: 204 }, { status: 201 }]);
    for (const form of ["multipart", "raw"]) expect(sha256Of(stored(`resting-${form}.zip`)!)).toBe(sha256Of(content));
  });
});

describe("forms that are not whole", () => {
  const content = generated(22, 2 * MIB);

  it("without the last boundary, or with a second file, store nothing", async () => {
    const second = `\r\n${head("b.zip")}PK\x03\x04${tail}`;
    for (const [after, code] of [
      ["", "upload_broken"],
      [tail.slice(0, -4), "upload_broken"],
      [second, "upload_second_file"],
    ] as const) {
      const got = await sent({ form: "multipart", name: "a.zip", content, around: [head("a.zip"), after] });
      expect(got).toMatchObject({ status: 400 });
      expect(JSON.parse((got as { body: string }).body).code).toBe(code);
      expect(stored("a.zip")).toBe(null);
    }
  });

  it("whose content holds their own boundary's look-alikes arrive as they are", async () => {
    const bytes = Buffer.from(
      `PK\x03\x04\r\n--${BOUNDARY}x\r\n--${BOUNDARY}-\r\n\r\n--${BOUNDARY.slice(0, -1)}`,
      "latin1",
    );
    const like: Content = { size: bytes.length, read: (at, length) => new Uint8Array(bytes.subarray(at, at + length)) };
    expect(await sent({ form: "multipart", name: "like.zip", content: like })).toMatchObject({ status: 204 });
    expect(Buffer.from(stored("like.zip")!.read(0, 1000)).equals(bytes)).toBe(true);
  });
});
