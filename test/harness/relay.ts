import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildWorker, type WorkerBuild } from "../../scripts/build-worker.ts";
import { type RelaySettings, startRelayProcess } from "../../scripts/relay-process.ts";

/** The built Worker on raw workerd, in a process of its own that can be killed. */
export type TestRelay = {
  url: string;
  /** The administrator's bearer token. */
  adminToken: string;
  dataDir: string;
  /** Of workerd itself; another one after `restart()`. */
  readonly pid: number;
  /** SIGTERM: requests under way finish, SIGKILL after `graceMs` (default 5000). Removes the data unless brought along. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL, whatever it was doing; resolves when it is dead. The data stays for `restart()`. */
  kill9(): Promise<void>;
  /** Starts again on the same port, data and settings (merged with `settings` when given); ends the old one first. */
  restart(settings?: RelaySettings): Promise<void>;
  /** What workerd printed since its last start. */
  log(): string;
  /** Resident memory of workerd now, in bytes (Linux). */
  rssBytes(): number;
  /** CPU time workerd used since its last start, in seconds, user and system (Linux; steps of 10 ms). */
  cpuSeconds(): number;
};

export type RelayOptions = {
  /** Added to what a test relay has: a random ADMIN_TOKEN and ENCRYPTION_KEY, private addresses allowed for instances. */
  settings?: RelaySettings;
  /** An existing or new folder; without, a throwaway one. */
  dataDir?: string;
  /** Without, a free one. */
  port?: number;
  /** Without, that of this tree. */
  build?: WorkerBuild;
  /** As `RelayStart.within`. */
  within?: readonly string[];
};

/** Clock ticks per second in /proc: 100 on every Linux that Node runs on. */
const TICKS = 100;

/** Starts the relay and waits until it listens. It ends with `stop()`, and in any case with this process. */
export async function startRelay(options: RelayOptions = {}): Promise<TestRelay> {
  const build = options.build ?? (await buildWorker());
  const folder = options.dataDir ? null : await mkdtemp(join(tmpdir(), "relay-workerd-"));
  const dataDir = options.dataDir ?? join(folder!, "data");
  let settings: RelaySettings = {
    ADMIN_TOKEN: randomBytes(36).toString("base64url"),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    ALLOW_PRIVATE_NETWORK: "instances",
    CLIENT_ADDRESS: "socket",
    HEALING: "exact",
    RESOLVER: "off",
    ...options.settings,
  };
  const { within } = options;
  const start = (port: number) => startRelayProcess({ build, dataDir, host: "127.0.0.1", port, settings, within });
  let { running, port, url } = await start(options.port ?? 0);
  const proc = (file: string) => readFileSync(`/proc/${running.pid}/${file}`, "utf8");
  return {
    url,
    adminToken: settings.ADMIN_TOKEN!.split(",")[0]!,
    dataDir,
    get pid() {
      return running.pid;
    },
    async stop(graceMs) {
      await running.end(graceMs);
      if (folder) await rm(folder, { recursive: true, force: true });
    },
    async kill9() {
      running.signal("SIGKILL");
      await running.exited;
    },
    async restart(changed) {
      await running.end();
      settings = { ...settings, ...changed };
      ({ running } = await start(port));
    },
    log: () => running.log(),
    rssBytes: () => Number(/^VmRSS:\s+(\d+) kB/m.exec(proc("status"))?.[1] ?? 0) * 1024,
    cpuSeconds() {
      // Fields 14 and 15 (utime, stime); the name in field 2 may hold spaces but ends at the last parenthesis.
      const fields = proc("stat").split(") ").at(-1)!.split(" ");
      return (Number(fields[11]) + Number(fields[12])) / TICKS;
    },
  };
}
