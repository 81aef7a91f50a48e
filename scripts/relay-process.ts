import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { SettingName } from "../src/settings.ts";
import type { PrivateNetwork } from "../src/upstream/address.ts";
import type { WorkerBuild } from "./build-worker.ts";
import { endOfOutput } from "./pocketbase-server.ts";
import { type Running, startProcess } from "./processes.ts";
import { Refusal } from "./refusal.ts";
import { roomFolder, settingNames, workerdConfig } from "./workerd-config.ts";

export type RelaySettings = { [name in SettingName]?: string };

export type RelayStart = {
  build: WorkerBuild;
  /** Created with mode 700 when missing; the objects' databases lie in it, with mode 600. */
  dataDir: string;
  host: string;
  /** 0 picks a free one. */
  port: number;
  settings: RelaySettings;
  /** A program that becomes the one whose command line follows its own, as `unshare --mount` does. */
  within?: readonly string[];
  onOutput?(text: string): void;
};

/** workerd's own binary, wherever npm put the one for this platform. */
const workerdBinary = (): string => (createRequire(import.meta.url)("workerd") as { default: string }).default;

/** The configuration holds no value of any setting, so equal ones share a file beside the built Worker. */
async function writeConfig(build: WorkerBuild, settings: RelaySettings): Promise<string> {
  const config = workerdConfig({
    build,
    privateNetwork: (settings.ALLOW_PRIVATE_NETWORK || "none") as PrivateNetwork,
    settings: settingNames.filter((name) => settings[name]),
  });
  const name = `${createHash("sha256").update(config).digest("hex").slice(0, 12)}.capnp`;
  // Who may not write into the checkout can run what its owner has run there once.
  if (existsSync(join(build.folder, name))) return join(build.folder, name);
  // Several relays of one process may start at once.
  const draft = join(build.folder, `.${randomUUID()}-${name}`);
  await writeFile(draft, config);
  await rename(draft, join(build.folder, name));
  return join(build.folder, name);
}

/** An address as workerd and a URL write it: IPv6 in brackets. */
const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);

/** The port from workerd's control messages (one JSON object a line), null when it ends without one. */
async function listeningPort(running: Running): Promise<number | null> {
  const control = running.child.stdio[3] as Readable;
  let received = "";
  const port = new Promise<number>((resolve) => {
    control.on("data", (chunk) => {
      received += chunk;
      for (const line of received.split("\n").slice(0, -1)) {
        const message = JSON.parse(line) as { event: string; socket: string; port: number };
        if (message.event === "listen" && message.socket === "http") resolve(message.port);
      }
    });
  });
  return Promise.race([port, running.exited.then(() => null)]);
}

/**
 * Starts the built Worker on plain workerd and resolves when it listens. Settings reach it as environment and nowhere
 * else. SIGTERM to `running` stops new connections, lets requests under way finish, then ends it with code 0.
 */
export async function startRelayProcess(start: RelayStart): Promise<{ running: Running; port: number; url: string }> {
  const room = join(start.dataDir, roomFolder);
  await mkdir(room, { recursive: true, mode: 0o700 });
  const host = bracketed(start.host);
  const commandLine = [
    ...(start.within ?? []),
    workerdBinary(),
    "serve",
    await writeConfig(start.build, start.settings),
    `--directory-path=store=${start.dataDir}`,
    `--directory-path=room=${room}`,
    `--socket-addr=http=${host}:${start.port}`,
    "--control-fd=3",
  ];
  const running = startProcess({
    command: commandLine[0]!,
    args: commandLine.slice(1),
    env: { ...start.settings, TZ: "UTC", ...(process.env.SystemRoot ? { SystemRoot: process.env.SystemRoot } : {}) },
    pipe3: true,
    private: true,
    onOutput: start.onOutput,
  });
  const port = await listeningPort(running);
  if (port !== null) return { running, port, url: `http://${host}:${port}` };
  const words = running.log();
  if (/Address already in use/.test(words))
    throw new Refusal(
      `Port ${start.port} on ${start.host} is in use: stop what listens there or choose another --port.`,
    );
  if (/Permission denied|Operation not permitted/.test(words))
    throw new Refusal(`Port ${start.port} on ${start.host} may not be opened by this user: choose one above 1023.`);
  if (/Cannot assign requested address|getaddrinfo|resolve/i.test(words))
    throw new Refusal(
      `${start.host} is no address of this machine: --host takes one of its own, 127.0.0.1 or 0.0.0.0.`,
    );
  throw new Refusal(`workerd did not start: ${endOfOutput(words)}`);
}
