import { mkdtemp, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { buildWorker } from "../scripts/build-worker.ts";
import { freePort } from "../scripts/ports.ts";
import { startProcess } from "../scripts/processes.ts";
import { Refusal } from "../scripts/refusal.ts";
import type { Peer } from "./peer.ts";

/** The least a Worker in front of a server can do: send the request on, give the answer back, both unread. */
const bareWorker = (upstream: string): string => `export default {
  fetch(request) {
    const { pathname, search } = new URL(request.url);
    return fetch(${JSON.stringify(upstream)} + pathname + search, request);
  },
};
`;

const config = (
  date: string,
  flags: readonly string[],
  port: number,
): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "bare", worker = .bare),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "bare")],
);
const bare :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  compatibilityDate = ${JSON.stringify(date)},
  compatibilityFlags = ${JSON.stringify(flags)},
);
`;

/** Starts the bare Worker on a workerd of its own, with the relay's own version, date and flags. */
export async function startBareWorker(workFolder: string, upstream: string): Promise<Peer> {
  const { compatibilityDate, compatibilityFlags } = await buildWorker();
  const folder = await mkdtemp(join(workFolder, "bare-"));
  const port = await freePort();
  await writeFile(join(folder, "index.js"), bareWorker(upstream));
  await writeFile(join(folder, "config.capnp"), config(compatibilityDate, compatibilityFlags, port));
  const command = (createRequire(import.meta.url)("workerd") as { default: string }).default;
  const running = startProcess({ command, args: ["serve", join(folder, "config.capnp")], env: { TZ: "UTC" } });
  for (const end = performance.now() + 10_000; performance.now() < end && running.alive(); ) {
    const answer = await fetch(`http://127.0.0.1:${port}/api/health`).catch(() => null);
    await answer?.body?.cancel();
    if (answer) return { port, pids: () => [running.pid] };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Refusal(`The bare Worker did not start: ${running.log().slice(-300)}`);
}
