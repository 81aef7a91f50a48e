import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { backupName, instanceName, makeBackup, mintDemoKey, registerInstance } from "./demo.ts";
import { demoText } from "./demo-text.ts";
import { startDevRelay } from "./dev-relay.ts";
import { readFlags, readPort } from "./flags.ts";
import { lockFolder } from "./folder-lock.ts";
import { onEnd } from "./lifeline.ts";
import { findPocketBase } from "./pocketbase-find.ts";
import { lastWords } from "./pocketbase-server.ts";
import { claimPort } from "./ports.ts";
import { endAllProcesses } from "./processes.ts";
import { Refusal, runScript } from "./refusal.ts";
import { callRelay } from "./relay-client.ts";
import { root } from "./root.ts";
import { confirm } from "./terminal.ts";
import { probeUpstream, readCredential, readUpstreamUrl, startOwnUpstream, type Upstream } from "./upstream-choice.ts";

const help = `
npm start -- [flags]

Starts a PocketBase of its own and the relay in front of it, both on 127.0.0.1, makes one backup through the relay and
prints a key with lines to paste. Ctrl-C ends both. Data stays in .relay/ between runs.

  --port PORT            the relay's (default 8787; 0 picks a free one)
  --upstream-port PORT   PocketBase's (default 8090; 0 picks a free one)
  --pocketbase VERSION   another PocketBase than the pinned one
  --fresh                throws the data of earlier runs away first
  --upstream URL         fronts an existing server instead; its superuser is asked for, or taken from POCKETBASE_TOKEN,
                         or POCKETBASE_EMAIL and POCKETBASE_PASSWORD. Nothing is written there before you say yes.
  --help

BACKUP_RELAY_FOLDER in the environment is another folder than .relay/, for a second one at the same time.
`;

const folder = resolve(process.env.BACKUP_RELAY_FOLDER || join(root, ".relay"));
const demoFile = join(folder, "demo.json");
const say = (line: string) => console.error(line);

function readStartFlags() {
  const { values } = readFlags(
    process.argv.slice(2),
    {
      port: { type: "string", default: "8787" },
      "upstream-port": { type: "string" },
      pocketbase: { type: "string" },
      upstream: { type: "string" },
      fresh: { type: "boolean", default: false },
    },
    help,
  );
  if (values.upstream && (values.pocketbase || values["upstream-port"] || values.fresh))
    throw new Refusal(
      "--upstream fronts an existing server: --pocketbase, --upstream-port and --fresh do not go with it.",
    );
  return {
    port: readPort(values.port, "--port"),
    upstreamPort: readPort(values["upstream-port"] ?? "8090", "--upstream-port"),
    version: values.pocketbase ?? null,
    upstream: values.upstream ? readUpstreamUrl(values.upstream) : null,
    fresh: values.fresh,
  };
}

/** The key that sealed the kept data; a new one for new data. It lives and dies with the data it opens. */
async function keptEncryptionKey(dataDir: string): Promise<string> {
  const path = join(dataDir, "encryption-key");
  const kept = await readFile(path, "utf8").catch(() => "");
  if (kept) return kept.trim();
  const made = randomBytes(32).toString("base64");
  await writeFile(path, made, { mode: 0o600 });
  return made;
}

/** Brings everything up and prints what to do with it; resolves with the reason when one of the two ends by itself. */
async function demo(flags: ReturnType<typeof readStartFlags>, runDir: string): Promise<never> {
  const dataDir = flags.upstream ? runDir : join(folder, "data");
  if (flags.fresh) await rm(dataDir, { recursive: true, force: true });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const port = await claimPort(flags.port, "--port");
  let upstream: Upstream | null = null;
  if (flags.upstream) {
    await probeUpstream(flags.upstream);
    upstream = { url: flags.upstream, credential: await readCredential(process.env, flags.upstream), own: null };
  }
  const mayWrite =
    !flags.upstream ||
    (await confirm(`Make one backup on ${flags.upstream} through the relay? Without a yes it only logs in and reads.`));
  const startUpstream = async (): Promise<Upstream> => {
    const upstreamPort = await claimPort(flags.upstreamPort, "--upstream-port");
    const binary = await findPocketBase(flags.version, say);
    say(`Starting PocketBase ${binary.version} …`);
    return startOwnUpstream(binary, join(dataDir, "pocketbase"), upstreamPort);
  };
  upstream ??= await startUpstream();

  say("Starting the relay …");
  const adminToken = randomBytes(36).toString("base64url");
  const relay = await startDevRelay({
    port,
    settings: {
      ADMIN_TOKEN: adminToken,
      ENCRYPTION_KEY: await keptEncryptionKey(dataDir),
      ALLOW_PRIVATE_NETWORK: "instances",
      HEALING: "exact",
      PUBLIC_URL: `http://127.0.0.1:${port}`,
    },
    runDir,
    storageDir: join(dataDir, "relay"),
    logFile: join(folder, "relay.log"),
  });
  const admin = { url: relay.url, token: adminToken, instance: instanceName };
  await registerInstance(admin, upstream.url, upstream.credential);
  const key = await mintDemoKey(admin, mayWrite ? "operator" : "fetcher");
  const keyed = { url: relay.url, token: key, instance: null };
  let backup: string | null = null;
  if (mayWrite) {
    backup = backupName(Date.now());
    say("Making a backup through the relay …");
    await makeBackup(keyed, backup, say);
  } else backup = (await callRelay<{ key: string }[]>(keyed, "GET", "/api/backups"))[0]?.key ?? null;

  const { url, own, credential } = upstream;
  const told = own ? { url, ...credential, version: own.version } : { url };
  await writeFile(
    `${demoFile}.new`,
    `${JSON.stringify({ relay: relay.url, instance: instanceName, key, adminToken, upstream: told })}\n`,
    {
      mode: 0o600,
    },
  );
  await rename(`${demoFile}.new`, demoFile);
  console.log(
    demoText({
      relay: relay.url,
      key,
      upstream: { url, version: own?.version, own: own !== null },
      demoFile: relative(process.cwd(), demoFile),
      backup,
      mayWrite,
    }),
  );
  const gone = await Promise.race([
    relay.running.exited.then(() => ["The relay", relay.running.log()]),
    ...(own ? [own.running.exited.then(() => ["PocketBase", own.running.log()])] : []),
  ]);
  throw new Refusal(`${gone[0]} ended by itself: ${lastWords(gone[1]!)}`);
}

await runScript(async () => {
  const flags = readStartFlags();
  const lock = lockFolder(folder, "start.lock");
  // What a killed run could not take away.
  await rm(demoFile, { force: true });
  for (const name of await readdir(folder))
    if (name.startsWith("run-")) await rm(join(folder, name), { recursive: true, force: true });
  const runDir = await mkdtemp(join(folder, "run-"));
  const asked = new Promise<"asked">((resolve) =>
    onEnd(
      () => resolve("asked"),
      () => endAllProcesses(0),
    ),
  );
  const running = demo(flags, runDir);
  // Once ending has begun, what was under way fails, and that is no news.
  running.catch(() => {});
  try {
    await Promise.race([asked, running]);
    say("Ending …");
    return 0;
  } finally {
    await endAllProcesses();
    await rm(demoFile, { force: true });
    await rm(runDir, { recursive: true, force: true });
    lock.release();
  }
});
process.exit();
