import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generated, sha256Of, wholeOf } from "../harness/fake/content.ts";
import { startPocketBase, type TestPocketBase } from "../harness/pocketbase.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { type MintedKey, mintKey, registerInstance } from "../harness/relay-client.ts";

/** PocketBase ends every request after five minutes (`apis/serve.go`); each of these takes longer. */
const FIVE_MINUTES_MS = 300_000;
const RATE = 500_000;
const large = generated(51, 190_000_000);

const HOOK = `onBackupCreate((e) => {
  sleep(310000);
  e.next();
});
`;

type Through = { relay: TestRelay; key: MintedKey };
let folder: string;
let server: TestPocketBase;
let exact: Through;
let segments: Through;
let off: Through;

async function through(healing: "exact" | "segments" | "off"): Promise<Through> {
  const relay = await startRelay({ settings: { HEALING: healing } });
  await registerInstance(relay, server);
  return { relay, key: await mintKey(relay) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "relay-slow-"));
  await mkdir(join(folder, "hooks"));
  await writeFile(join(folder, "hooks", "slow.pb.js"), HOOK);
  server = await startPocketBase({ dataDir: join(folder, "pb_data"), hooksDir: join(folder, "hooks") });
  await mkdir(join(folder, "pb_data", "backups"), { recursive: true });
  await writeFile(join(folder, "pb_data", "backups", "large.zip"), wholeOf(large));
  [exact, segments, off] = await Promise.all([through("exact"), through("segments"), through("off")]);
});
afterAll(async () => {
  await Promise.all([exact, segments, off].map((each) => each?.relay.stop()));
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Reads at `RATE` and no faster, so that everything in between has to wait. */
async function slowly(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers });
  expect(response.status).toBe(200);
  expect(Number(response.headers.get("content-length"))).toBe(large.size);
  const hash = createHash("sha256");
  const began = performance.now();
  let bytes = 0;
  try {
    for await (const piece of response.body!) {
      hash.update(piece);
      bytes += piece.length;
      const ahead = (bytes / RATE) * 1000 - (performance.now() - began);
      if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
    }
    return { whole: true, bytes, ms: performance.now() - began, sha256: hash.digest("hex") };
  } catch {
    return { whole: false, bytes, ms: performance.now() - began, sha256: null };
  }
}

const download = ({ relay, key }: Through) => slowly(`${relay.url}/api/backups/large.zip`, { authorization: key.key });

describe.concurrent("a download that takes longer than the server's five minutes", () => {
  it("is cut by the server itself, and so without healing", async () => {
    const token = await fetch(`${server.url}/api/files/token`, {
      method: "POST",
      headers: { authorization: await server.token() },
    });
    const ticket = ((await token.json()) as { token: string }).token;
    const [direct, passed] = await Promise.all([
      slowly(`${server.url}/api/backups/large.zip?token=${ticket}`),
      download(off),
    ]);
    for (const got of [direct, passed]) {
      expect(got.whole).toBe(false);
      expect(got.bytes).toBeLessThan(large.size);
    }
  });

  it("is whole with HEALING=exact", async () => {
    const got = await download(exact);
    expect(got).toMatchObject({ whole: true, bytes: large.size, sha256: sha256Of(large) });
    expect(got.ms).toBeGreaterThan(FIVE_MINUTES_MS);
  });

  it("is whole with HEALING=segments", async () => {
    const got = await download(segments);
    expect(got).toMatchObject({ whole: true, bytes: large.size, sha256: sha256Of(large) });
    expect(got.ms).toBeGreaterThan(FIVE_MINUTES_MS);
  });
});

describe.concurrent("other calls that take longer", () => {
  it("an upload is told that the server stopped reading, and nothing is stored", async () => {
    const { relay, key } = exact;
    const content = generated(52, 3_300_000);
    const answer = await new Promise<{ status: number; code: string }>((resolve, reject) => {
      const sending = httpRequest(`${relay.url}/v1/backups/slow.zip`, {
        method: "PUT",
        headers: { authorization: key.key, "content-length": content.size },
      });
      sending.on("response", async (response) => {
        let text = "";
        for await (const piece of response) text += piece;
        resolve({ status: response.statusCode!, code: (JSON.parse(text) as { code: string }).code });
        sending.destroy();
      });
      sending.on("error", reject);
      let sent = 0;
      const timer = setInterval(() => {
        if (sent >= content.size || sending.destroyed) return clearInterval(timer);
        sending.write(content.read(sent, 10_000));
        sent += 10_000;
      }, 1000);
    });
    expect(answer).toEqual({ status: 502, code: "upload_cut" });
    const listed = await fetch(`${relay.url}/api/backups`, { headers: { authorization: key.key } });
    expect(((await listed.json()) as { key: string }[]).map((each) => each.key)).not.toContain("slow.zip");
  });

  it("a create is 202 with its operation for a drop-in caller, and succeeds", async () => {
    const { relay, key } = exact;
    const headers = { authorization: key.key, "content-type": "application/json" };
    const created = await fetch(`${relay.url}/api/backups`, {
      method: "POST",
      headers,
      body: JSON.stringify({ name: "slow_create.zip" }),
    });
    expect(created.status).toBe(202);
    const path = created.headers.get("location")!;
    expect(await created.json()).toMatchObject({ operation: path.split("/").at(-1) });
    let operation: { state: string; result: unknown };
    do {
      operation = (await (await fetch(`${relay.url}${path}?wait=60`, { headers })).json()) as typeof operation;
    } while (operation.state === "running");
    expect(operation).toMatchObject({ state: "succeeded", result: { backup: { key: "slow_create.zip" } } });
    const listed = await fetch(`${relay.url}/api/backups`, { headers });
    expect(((await listed.json()) as { key: string }[]).filter(({ key }) => key.startsWith("slow_create")).length).toBe(
      1,
    );
  });
});
