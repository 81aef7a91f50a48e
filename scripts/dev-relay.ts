import { createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { wrangler } from "./build-worker.ts";
import { endOfOutput } from "./pocketbase-server.ts";
import { type Running, startProcess } from "./processes.ts";
import { Refusal } from "./refusal.ts";
import type { RelaySettings } from "./relay-process.ts";
import { settingNames } from "./workerd-config.ts";

export type DevRelay = { url: string; running: Running };

const secretNames = ["ADMIN_TOKEN", "ENCRYPTION_KEY"] as const;

/**
 * Starts `wrangler dev` on 127.0.0.1 and waits until the relay's health answers, 90 s at most. The two secrets go over
 * in a file of mode 600 in `runDir`, the other settings as arguments: with required secrets declared, wrangler reads
 * nothing else from that file. Settings are removed from the caller's environment, because wrangler would prefer them.
 */
export async function startDevRelay(options: {
  port: number;
  settings: RelaySettings;
  runDir: string;
  storageDir: string;
  logFile: string;
}): Promise<DevRelay> {
  await mkdir(options.storageDir, { recursive: true, mode: 0o700 });
  const envFile = join(options.runDir, "settings.env");
  const secrets = secretNames.map((name) => `${name}="${options.settings[name]}"\n`);
  await writeFile(envFile, secrets.join(""), { mode: 0o600 });
  const open = settingNames.filter((name) => name !== "ADMIN_TOKEN" && name !== "ENCRYPTION_KEY");
  const vars = open.flatMap((name) => (options.settings[name] ? ["--var", `${name}:${options.settings[name]}`] : []));
  const flags = {
    ip: "127.0.0.1",
    port: options.port,
    "inspector-port": 0,
    "env-file": envFile,
    "persist-to": options.storageDir,
    "show-interactive-dev-session": false,
  };
  const command = wrangler(["dev", ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`), ...vars]);
  const env: NodeJS.ProcessEnv = { ...command.env, CI: "true" };
  for (const name of settingNames) delete env[name];
  const log = createWriteStream(options.logFile, { mode: 0o600 });
  const running = startProcess({ ...command, env, onOutput: (text) => log.write(text) });
  running.exited.then(() => log.end());
  const url = `http://127.0.0.1:${options.port}`;
  for (const end = performance.now() + 90_000; performance.now() < end && running.alive(); ) {
    const answer = await fetch(`${url}/v1/health`, { signal: AbortSignal.timeout(10_000) }).catch(() => null);
    const body = (await answer?.json().catch(() => null)) as { message?: string } | null;
    if (answer?.ok) return { url, running };
    if (answer?.status === 503 && body?.message) throw new Refusal(`The relay does not work: ${body.message}`);
    if (/✘ \[ERROR\]|Build failed/.test(running.log())) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await running.end();
  throw new Refusal(`The relay did not start (all of it in ${options.logFile}): ${endOfOutput(running.log())}`);
}
