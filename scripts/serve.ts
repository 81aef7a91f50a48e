import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { buildWorker } from "./build-worker.ts";
import { readFlags, readPort } from "./flags.ts";
import { lockFolder } from "./folder-lock.ts";
import { endOfOutput } from "./pocketbase-server.ts";
import { Refusal, runScript } from "./refusal.ts";
import { awaitHealth } from "./relay-health.ts";
import { startRelayProcess } from "./relay-process.ts";
import { serveSettings } from "./serve-settings.ts";
import { onShutdown } from "./shutdown.ts";
import { isObjectFolder } from "./workerd-config.ts";

const help = `
npm run serve -- [flags]

Runs the relay on plain workerd, without Cloudflare. Its data lies in one folder; kill -9 loses nothing.

  --host ADDRESS    where it listens (default 127.0.0.1)
  --port PORT       (default 8787; 0 picks a free one)
  --data FOLDER     its storage (default ./data)
  --env-file FILE   settings as NAME=value lines; the environment wins over the file
  --help

Settings (environment or file): ADMIN_TOKEN and ENCRYPTION_KEY are required, the README has the others. Make them with
  openssl rand -base64 48      # ADMIN_TOKEN
  openssl rand -base64 32      # ENCRYPTION_KEY
Instances on this machine or in a private network (http://127.0.0.1:8090) need ALLOW_PRIVATE_NETWORK=instances.
SIGTERM and Ctrl-C let requests under way finish, for 30 s at most.
`;

const DRAIN_MS = 30_000;

async function readEnvFile(path: string): Promise<{ path: string; text: string }> {
  try {
    return { path, text: await readFile(path, "utf8") };
  } catch (error) {
    throw new Refusal(
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code}): --env-file names a file of NAME=value lines.`,
    );
  }
}

await runScript(async () => {
  const { values } = readFlags(
    process.argv.slice(2),
    {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "8787" },
      data: { type: "string", default: "./data" },
      "env-file": { type: "string" },
    },
    help,
  );
  const port = readPort(values.port, "--port");
  const dataDir = resolve(values.data);
  const envFile = values["env-file"];
  const settings = serveSettings(process.env, envFile ? await readEnvFile(envFile) : null, console.error);
  const lock = lockFolder(dataDir, "serve.lock", isObjectFolder);
  const build = await buildWorker(console.error);
  const { running, url } = await startRelayProcess({
    build,
    dataDir,
    host: values.host,
    port,
    settings,
    onOutput: (text) => process.stderr.write(text),
  });

  let ending = false;
  onShutdown(
    (reason) => {
      ending = true;
      if (reason === "disconnect") return running.signal("SIGKILL");
      console.error("Ending after the requests under way, in 30 s at most (once more to end now).");
      running.signal("SIGTERM");
      setTimeout(() => running.signal("SIGKILL"), DRAIN_MS).unref();
    },
    () => running.signal("SIGKILL"),
  );

  try {
    await awaitHealth(url);
  } catch (error) {
    await running.end(0);
    if (!ending) throw error;
  }
  if (!ending) console.log(`Backup Relay answers on ${url} (data in ${dataDir})`);
  const { code } = await running.exited;
  lock.release();
  if (ending) return 0;
  throw new Refusal(`workerd ended by itself with code ${code}: ${endOfOutput(running.log())}`);
});
