import { lookup } from "node:dns/promises";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { buildWorker } from "../../scripts/build-worker.ts";
import { startRelayProcess } from "../../scripts/relay-process.ts";
import { literal } from "../harness/fake/content.ts";
import { startFake } from "../harness/fake/server.ts";
import { ownHosts } from "../harness/host-names.ts";
import { Receiver } from "../harness/receiver.ts";
import { startRelay } from "../harness/relay.ts";
import { admin, registerInstance } from "../harness/relay-client.ts";

/** Fetches what it is asked for through the service that webhook attempts leave by, and nothing else. */
const prober = `export default {
  async fetch(request, env) {
    try {
      const answer = await env.PUBLIC.fetch(new URL(request.url).searchParams.get("to"), { redirect: "manual" });
      return new Response("reached " + answer.status);
    } catch {
      return new Response("refused");
    }
  },
};
`;

async function probe(privateNetwork: "none" | "all", urls: readonly string[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "relay-network-"));
  const built = await buildWorker();
  await writeFile(join(folder, "index.js"), prober);
  const { running, url } = await startRelayProcess({
    build: { ...built, folder, objects: [] },
    dataDir: join(folder, "data"),
    host: "127.0.0.1",
    port: 0,
    settings: { ALLOW_PRIVATE_NETWORK: privateNetwork },
  });
  try {
    const ask = async (to: string) => (await fetch(`${url}/?to=${encodeURIComponent(to)}`)).text();
    return await Promise.all(urls.map(ask));
  } finally {
    await running.end();
    await rm(folder, { recursive: true, force: true });
  }
}

it("on plain workerd a name is refused by the address it resolves to, whatever it looks like", async () => {
  const server = createServer((_, response) => response.end("inside"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  // No rule about texts is asked here: only what the names resolve to can refuse them.
  const names = ["localhost", "127.0.0.1"];
  const own = await lookup(hostname()).catch(() => null);
  if (own?.address === "127.0.0.1") names.push(hostname());
  const urls = names.map((name) => `http://${name}:${port}/`);
  expect(await probe("none", urls)).toEqual(urls.map(() => "refused"));
  expect(await probe("all", urls)).toEqual(urls.map(() => "reached 200"));
  expect(await probe("all", ["http://169.254.169.254/", "http://[fd00:ec2::254]/"])).toEqual(["refused", "refused"]);
  server.close();
  server.closeAllConnections();
});

const NAME = "hooks.example.com";
type Tried = { outcome: string; status: number | null; reason: { kind: string; message: string } | null };

/** What became of a test and of a real delivery to each path at a name that leads to 127.0.0.1, and the receiver there. */
async function delivered(privateNetwork: "instances" | "all", schemes: readonly ("http" | "https")[]) {
  const receiver = await new Receiver().start();
  const { port } = new URL(receiver.url("/"));
  const hosts = await ownHosts([NAME]);
  const server = await startFake();
  const relay = await startRelay({ settings: { ALLOW_PRIVATE_NETWORK: privateNetwork }, within: hosts.within });
  const { email, password } = server.fake;
  const call = async <T>(path: string, body?: unknown) => (await (await admin(relay, path, { body })).json()) as T;
  try {
    await registerInstance(relay, { url: server.url, email, password }, { verify: false, pollSeconds: 3600 });
    await call("/v1/backups?limit=1");
    const results: Record<string, { test: Tried; real: Tried }> = {};
    const made: { scheme: string; id: string }[] = [];
    for (const scheme of schemes) {
      const url = `${scheme}://${NAME}:${port}/${scheme}`;
      made.push({ scheme, ...(await call<{ id: string }>("/v1/webhooks", { url, types: ["backup.*"] })) });
    }
    await server.fake.put("new.zip", literal(new Uint8Array(22)), server.fake.now() - 60_000);
    await call("/v1/backups?limit=1");
    for (const { scheme, id } of made) {
      const test = await call<Tried>(`/v1/webhooks/${id}/test`, { type: "backup.created" });
      const real = await vi.waitUntil(
        async () => {
          const { items } = await call<{ items: (Tried & { test: boolean })[] }>(`/v1/webhooks/${id}/attempts`);
          return items.find((each) => !each.test);
        },
        { timeout: 20_000, interval: 100 },
      );
      results[scheme] = { test, real };
    }
    return { results, receiver };
  } finally {
    await relay.stop();
    await server.stop();
    await hosts.remove();
    await receiver.stop();
  }
}

it("a name that looks public and leads to loopback gets no connection, neither by a test nor by a delivery", async () => {
  const { results, receiver } = await delivered("instances", ["https"]);
  const refused = {
    outcome: "failed",
    status: null,
    reason: { kind: "dns", message: expect.stringContaining("public") },
  };
  expect(results).toMatchObject({ https: { test: refused, real: refused } });
  expect([receiver.connections, receiver.got]).toEqual([0, []]);
});

it("where private networks are allowed the same name is reached: it was the network that refused", async () => {
  const { results, receiver } = await delivered("all", ["https", "http"]);
  const fine = { outcome: "delivered", status: 200, reason: null };
  // The receiver speaks no TLS.
  const reached = { outcome: "failed", status: null, reason: { kind: "tls" } };
  expect(results).toMatchObject({ https: { test: reached, real: reached }, http: { test: fine, real: fine } });
  const requests = receiver.got.map(({ headers, path }) => `${headers.host?.split(":")[0]}${path}`);
  expect(requests).toEqual([`${NAME}/http`, `${NAME}/http`]);
  expect(receiver.connections).toBeGreaterThan(2);
});

it("on Cloudflare no fetch may reach an origin behind the zone's own Workers", async () => {
  expect((await buildWorker()).compatibilityFlags).toContain("global_fetch_strictly_public");
});
