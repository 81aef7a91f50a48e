import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { UpstreamResult } from "../../src/upstream/backups-api.ts";
import { type UpstreamSession, upstreamSession } from "../../src/upstream/session.ts";
import { openDownload } from "../../src/upstream/transfer.ts";
import { generated, sha256Of } from "../harness/fake/content.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { SOON } from "../harness/waiting.ts";

const told = (result: UpstreamResult<unknown>) =>
  result.ok ? "ok" : [result.error.problem.code, result.error.unclear, result.error.unauthorized];

describe("a server over real sockets", () => {
  let server: FakeServer;
  let session: UpstreamSession;
  const content = generated(11, 20_000_000);

  beforeAll(async () => {
    server = await startFake({ prefix: "/pb" });
    await server.fake.put("big.zip", content);
    session = upstreamSession({
      baseUrl: server.url,
      headers: {},
      fetch: (url, init) => fetch(url, init),
      clock: Date.now,
      timeouts: { quick: 2000, list: 300, create: 300 },
      credential: { kind: "password", email: server.fake.email, password: server.fake.password },
    });
  });
  afterAll(() => server.stop());

  const open = async (headers: Record<string, string> = {}, signal?: AbortSignal) => {
    const access = await session.access("download");
    if (!access.ok) throw new Error(access.error.problem.code);
    const opened = await openDownload((url, init) => fetch(url, init), access.value, {
      method: "GET",
      key: "big.zip",
      headers,
      signal,
    });
    if (!opened.ok) throw new Error(opened.error.problem.code);
    return opened.value;
  };
  const drained = async (response: Response) => {
    const hash = createHash("sha256");
    let bytes = 0;
    try {
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
        hash.update(piece);
        bytes += piece.length;
      }
      return { bytes, sha256: hash.digest("hex") };
    } catch {
      return { bytes, sha256: null };
    }
  };

  it("is read byte for byte below its prefix", async () => {
    expect(await drained(await open())).toEqual({ bytes: content.size, sha256: sha256Of(content) });
    const part = await drained(await open({ Range: "bytes=65530-131079" }));
    expect(part.bytes).toBe(65_550);
    expect(part.sha256).toBe(createHash("sha256").update(content.read(65_530, 65_550)).digest("hex"));
  });

  it("that closes early is noticed, after a plain close and after a reset alike", async () => {
    for (const how of ["fin", "reset"] as const)
      for (const bytes of [0, 1, 1_000_003, content.size - 1]) {
        server.fake.faults.add({ kind: "cutAt", bytes, how, on: "download", times: 1 });
        const got = await open()
          .then(drained)
          .catch(() => ({ bytes: 0, sha256: null }));
        expect([how, bytes, got.sha256]).toEqual([how, bytes, null]);
        expect(got.bytes <= bytes).toBe(true);
      }
  });

  it("whose connection breaks leaves changes unclear and works again afterwards", async () => {
    for (const kind of ["down", "reset"] as const) {
      server.fake.faults.add({ kind, on: ["list", "create"], times: 2 });
      expect(told(await session.list())).toEqual(["upstream_unreachable", false, false]);
      expect(told(await session.create("never.zip"))).toEqual(["upstream_unreachable", true, false]);
      expect((await session.list()).ok).toBe(true);
    }
    server.fake.faults.add({ kind: "reset", worked: true, on: "create", times: 1 });
    expect(told(await session.create("made.zip"))).toEqual(["upstream_unreachable", true, false]);
    expect(server.fake.world.backups.has("made.zip")).toBe(true);
  });

  it("that does not answer is given up in time", async () => {
    server.fake.faults.add({ kind: "slow", ms: 5000, on: ["list", "create"], times: 2 });
    expect(told(await session.list())).toEqual(["upstream_timeout", false, false]);
    expect(told(await session.create("slow.zip"))).toEqual(["upstream_timeout", true, false]);
  });

  it("sees its connection closed when the reader leaves", async () => {
    const cut = new AbortController();
    const response = await open({}, cut.signal);
    await response.body!.getReader().read();
    expect(server.fake.bodies.open).toBe(1);
    cut.abort();
    await vi.waitUntil(() => server.fake.bodies.open === 0, SOON);
    const second = await open();
    const reader = second.body!.getReader();
    await reader.read();
    await reader.cancel();
    await vi.waitUntil(() => server.fake.bodies.open === 0, SOON);
  });

  it("that is gone altogether cannot be reached", async () => {
    const away = await startFake();
    const lost = upstreamSession({
      baseUrl: away.url,
      headers: {},
      fetch: (url, init) => fetch(url, init),
      clock: Date.now,
      credential: { kind: "token", token: away.fake.impersonate() },
    });
    expect((await lost.list()).ok).toBe(true);
    await away.stop();
    expect(told(await lost.list())).toEqual(["upstream_unreachable", false, false]);
  });
});
