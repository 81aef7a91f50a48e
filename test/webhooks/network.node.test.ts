import { lookup } from "node:dns/promises";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { buildWorker } from "../../scripts/build-worker.ts";
import { startRelayProcess } from "../../scripts/relay-process.ts";

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

it("on Cloudflare no fetch may reach an origin behind the zone's own Workers", async () => {
  expect((await buildWorker()).compatibilityFlags).toContain("global_fetch_strictly_public");
});
