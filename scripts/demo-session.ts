import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { buildWorker } from "./build-worker.ts";
import { backupName, instanceName, makeBackup, mintDemoKey, registerInstance, warningsOf } from "./demo.ts";
import { demoText } from "./demo-text.ts";
import { findPocketBase } from "./pocketbase-find.ts";
import { endOfOutput, newPassword } from "./pocketbase-server.ts";
import { claimPort } from "./ports.ts";
import type { Running } from "./processes.ts";
import { Refusal } from "./refusal.ts";
import { callRelay, type RelayAccess } from "./relay-client.ts";
import { awaitHealth } from "./relay-health.ts";
import { type RelaySettings, startRelayProcess } from "./relay-process.ts";
import { serveDefaults } from "./serve-settings.ts";
import { confirm } from "./terminal.ts";
import { probeUpstream, readCredential, startOwnUpstream, type Upstream } from "./upstream-choice.ts";

export type StartFlags = {
  port: number;
  upstreamPort: number;
  /** Another PocketBase than the pinned one. */
  version: string | null;
  /** An existing server instead of one started here. */
  upstream: string | null;
  fresh: boolean;
};

export type StartFolders = {
  /** Kept between runs: the server's and the relay's data with the secrets that open them. */
  dataDir: string;
  /** Removed after the run. */
  runDir: string;
  logFile: string;
  demoFile: string;
};

type Say = (line: string) => void;

/**
 * Kept with the data, not made for each run: a backup of yesterday, restored today, brings yesterday's password back.
 */
type KeptSecrets = { encryptionKey: string; password: string };

async function keptSecrets(dataDir: string): Promise<KeptSecrets> {
  const path = join(dataDir, "secrets.json");
  const kept = await readFile(path, "utf8").catch(() => null);
  if (kept) return JSON.parse(kept) as KeptSecrets;
  const made = { encryptionKey: randomBytes(32).toString("base64"), password: newPassword() };
  await writeFile(path, JSON.stringify(made), { mode: 0o600 });
  return made;
}

/** The server and whether it may be written to: one started here always, an existing one only after a yes. */
async function openUpstream(
  flags: StartFlags,
  dataDir: string,
  password: string,
  say: Say,
): Promise<{ upstream: Upstream; mayWrite: boolean }> {
  const { upstream: url } = flags;
  if (url) {
    await probeUpstream(url);
    const credential = await readCredential(process.env, url);
    const question = `Make one backup on ${url} through the relay? Without a yes it only logs in and reads.`;
    return { upstream: { url, credential, own: null }, mayWrite: await confirm(question) };
  }
  const port = await claimPort(flags.upstreamPort, "--upstream-port");
  const binary = await findPocketBase(flags.version, say);
  say(`Starting PocketBase ${binary.version} …`);
  return { upstream: await startOwnUpstream(binary, join(dataDir, "pocketbase"), port, password), mayWrite: true };
}

/** A backup to show: one made now with the key, or the first one the server already had. */
async function showBackup(keyed: RelayAccess, mayWrite: boolean, say: Say): Promise<string | null> {
  if (!mayWrite) return (await callRelay<{ key: string }[]>(keyed, "GET", "/api/backups"))[0]?.key ?? null;
  const name = backupName(Date.now());
  say("Making a backup through the relay …");
  await makeBackup(keyed, name, say);
  return name;
}

/** The facts for scripts, written at once under another name and renamed. Never the password of an existing server. */
async function writeDemoFile(
  path: string,
  relay: string,
  key: string,
  adminToken: string,
  { url, own, credential }: Upstream,
) {
  const upstream = own ? { url, ...credential, version: own.version } : { url };
  const facts = { relay, instance: instanceName, key, adminToken, upstream };
  await writeFile(`${path}.new`, `${JSON.stringify(facts)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The relay as `npm run serve` runs it; what it prints stands in the log file. */
async function startRelay(
  settings: RelaySettings,
  port: number,
  { dataDir, logFile }: StartFolders,
  say: Say,
): Promise<{ running: Running; url: string }> {
  const build = await buildWorker(say);
  say("Starting the relay …");
  const log = createWriteStream(logFile, { mode: 0o600 });
  // A full disk takes the log, not the relay.
  log.on("error", () => undefined);
  const relay = await startRelayProcess({
    build,
    dataDir: join(dataDir, "relay"),
    host: "127.0.0.1",
    port,
    settings,
    onOutput: (text) => log.write(text),
  });
  relay.running.exited.then(() => log.end());
  await awaitHealth(relay.url);
  return relay;
}

/** Never resolves; throws when the relay or the server ends by itself, with the end of its output. */
async function watch(relay: Running, { own }: Upstream): Promise<never> {
  const ended = [relay.exited.then(() => `The relay ended by itself: ${endOfOutput(relay.log())}`)];
  if (own) ended.push(own.running.exited.then(() => `PocketBase ended by itself: ${endOfOutput(own.running.log())}`));
  throw new Refusal(await Promise.race(ended));
}

/**
 * Starts both, makes one backup as a proof, and prints what to do next. Never resolves; throws when something fails.
 */
export async function runDemo(flags: StartFlags, folders: StartFolders, say: Say): Promise<never> {
  const { dataDir } = folders;
  if (flags.fresh) await rm(dataDir, { recursive: true, force: true });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const port = await claimPort(flags.port, "--port");
  const secrets = await keptSecrets(dataDir);
  const { upstream, mayWrite } = await openUpstream(flags, dataDir, secrets.password, say);

  const adminToken = randomBytes(36).toString("base64url");
  const relay = await startRelay(
    {
      ...serveDefaults,
      ADMIN_TOKEN: adminToken,
      ENCRYPTION_KEY: secrets.encryptionKey,
      ALLOW_PRIVATE_NETWORK: "instances",
      PUBLIC_URL: `http://127.0.0.1:${port}`,
    },
    port,
    folders,
    say,
  );
  const admin = { url: relay.url, token: adminToken, instance: instanceName };
  await registerInstance(admin, upstream.url, upstream.credential);
  if (!upstream.own) for (const warning of await warningsOf(admin)) console.log(warning);
  const key = await mintDemoKey(admin, mayWrite ? "operator" : "fetcher");
  const backup = await showBackup({ url: relay.url, token: key, instance: null }, mayWrite, say);
  await writeDemoFile(folders.demoFile, relay.url, key, adminToken, upstream);
  const demoFile = relative(process.cwd(), folders.demoFile);
  const shown = { url: upstream.url, version: upstream.own?.version, own: upstream.own !== null };
  console.log(demoText({ relay: relay.url, key, upstream: shown, demoFile, backup, mayWrite }));
  return watch(relay.running, upstream);
}
