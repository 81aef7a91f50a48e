import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPocketBase } from "../../scripts/pocketbase-find.ts";
import { newPassword, putSuperuser, servePocketBase } from "../../scripts/pocketbase-server.ts";
import { freePort } from "../../scripts/ports.ts";

/** A real PocketBase on 127.0.0.1 with one superuser. */
export type TestPocketBase = {
  url: string;
  version: string;
  email: string;
  password: string;
  dataDir: string;
  /** Stays the same through the server's own restart after a restore. */
  pid: number;
  /** A fresh superuser auth token. */
  token(): Promise<string>;
  /** What it printed so far. */
  log(): string;
  /** SIGTERM, then SIGKILL after 5 s; removes the data folder unless the caller brought one. */
  stop(): Promise<void>;
  /** SIGKILL; the data folder stays for `startPocketBase({ dataDir })`. */
  kill(): Promise<void>;
};

export type PocketBaseOptions = {
  /** Exactly this one; without, the project's default. */
  version?: string;
  /** An existing or new folder to serve; without, a throwaway one. */
  dataDir?: string;
  port?: number;
  /** Where `*.pb.js` hooks lie. */
  hooksDir?: string;
  /** Added to the server's environment (hooks read it with `$os.getenv`). */
  env?: Record<string, string>;
  /** Without, a new random one each time. */
  password?: string;
};

/** Starts a server and waits until it answers. It ends with `stop()`, and in any case with this process. */
export async function startPocketBase(options: PocketBaseOptions = {}): Promise<TestPocketBase> {
  const binary = await findPocketBase(options.version ?? null, console.error);
  const folder = options.dataDir ? null : await mkdtemp(join(tmpdir(), "relay-pocketbase-"));
  const dataDir = options.dataDir ?? join(folder!, "pb_data");
  const superuser = { email: "superuser@example.com", password: options.password ?? newPassword() };
  await putSuperuser(binary, dataDir, superuser);
  const port = options.port ?? (await freePort());
  const { url, running } = await servePocketBase(binary, {
    dataDir,
    port,
    hooksDir: options.hooksDir,
    env: options.env,
  });
  const removeOwn = async () => {
    if (folder) await rm(folder, { recursive: true, force: true });
  };
  return {
    url,
    version: binary.version,
    ...superuser,
    dataDir,
    pid: running.pid,
    async token() {
      const answer = await fetch(`${url}/api/collections/_superusers/auth-with-password`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ identity: superuser.email, password: superuser.password }),
      });
      if (!answer.ok) throw new Error(`the superuser's login was refused: ${answer.status}`);
      return ((await answer.json()) as { token: string }).token;
    },
    log: running.log,
    async stop() {
      await running.end();
      await removeOwn();
    },
    async kill() {
      running.signal("SIGKILL");
      await running.exited;
    },
  };
}
