import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PocketBase } from "./pocketbase-find.ts";
import { type Running, runProcess, startProcess } from "./processes.ts";
import { Refusal } from "./refusal.ts";

export type Superuser = { email: string; password: string };

/**
 * Makes the superuser, or gives it the password, in a data folder no server has open. PocketBase's own command takes
 * the password as an argument, where every process on the machine can read it; a migration reads it from the
 * environment instead. It runs from a folder of its own: the server never sees it, so a restore does not run it again.
 */
export async function putSuperuser(binary: PocketBase, dataDir: string, { email, password }: Superuser): Promise<void> {
  const folder = join(dataDir, "..", `superuser-${randomBytes(6).toString("hex")}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    await writeFile(join(folder, `${Date.now()}_superuser.js`), MIGRATION, { mode: 0o600 });
    const { code, log } = await runProcess({
      command: binary.path,
      args: ["migrate", "up", "--dir", dataDir, "--migrationsDir", folder],
      env: { ...process.env, RELAY_SUPERUSER_EMAIL: email, RELAY_SUPERUSER_PASSWORD: password },
    });
    if (code !== 0) throw new Refusal(`PocketBase could not prepare ${dataDir}: ${endOfOutput(log)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const MIGRATION = `migrate((app) => {
  const email = $os.getenv("RELAY_SUPERUSER_EMAIL");
  let record;
  try {
    record = app.findAuthRecordByEmail("_superusers", email);
  } catch {
    record = new Record(app.findCollectionByNameOrId("_superusers"));
    record.setEmail(email);
  }
  const password = $os.getenv("RELAY_SUPERUSER_PASSWORD");
  if (record.validatePassword(password)) return;
  record.setPassword(password);
  app.save(record);
});
`;

export const newPassword = (): string => randomBytes(24).toString("base64url");

/** The end of what a program printed, for an error message. */
export const endOfOutput = (log: string): string => log.trim().split("\n").slice(-3).join(" ").slice(-300);

/**
 * Starts `pocketbase serve` on 127.0.0.1 and waits until it answers, 30 s at most. Folders it would otherwise look for
 * beside the binary or in the current directory (hooks, migrations, public files) lie beside its data.
 */
export async function servePocketBase(
  binary: PocketBase,
  at: { dataDir: string; port: number; hooksDir?: string; env?: NodeJS.ProcessEnv },
): Promise<{ url: string; running: Running }> {
  const beside = (name: string) => join(at.dataDir, "..", name);
  const running = startProcess({
    command: binary.path,
    args: [
      "serve",
      `--http=127.0.0.1:${at.port}`,
      `--dir=${at.dataDir}`,
      `--hooksDir=${at.hooksDir ?? beside("pb_hooks")}`,
      "--hooksWatch=false",
      `--migrationsDir=${beside("pb_migrations")}`,
      "--automigrate=false",
      `--publicDir=${beside("pb_public")}`,
    ],
    cwd: join(at.dataDir, ".."),
    env: { ...process.env, ...at.env },
  });
  const url = `http://127.0.0.1:${at.port}`;
  for (const end = performance.now() + 30_000; performance.now() < end && running.alive(); ) {
    const answer = await fetch(`${url}/api/health`, { signal: AbortSignal.timeout(2000) }).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.ok && running.alive()) return { url, running };
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await running.end(0);
  throw new Refusal(`PocketBase ${binary.version} did not start on port ${at.port}: ${endOfOutput(running.log())}`);
}
