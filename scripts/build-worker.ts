import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { endOfOutput } from "./pocketbase-server.ts";
import { runProcess } from "./processes.ts";
import { Refusal } from "./refusal.ts";
import { root } from "./root.ts";

/**
 * The Worker as wrangler bundles it, and what wrangler.toml says about it: the same for Cloudflare and plain workerd.
 */
export type WorkerBuild = {
  /** Holds `index.js` (the module) and its source map. */
  folder: string;
  bytes: number;
  gzipBytes: number;
  compatibilityDate: string;
  compatibilityFlags: string[];
  /** The Durable Object bindings. */
  objects: { binding: string; className: string }[];
};

/** The strictest cap Cloudflare ever published for the Free plan: 3 MB after compression. */
export const freePlanGzipBytes = 3_000_000;

const cacheFolder = join(root, ".cache", "worker");
const DAY_MS = 86_400_000;

/** Everything that decides what the bundle holds. */
async function sourceHash(): Promise<string> {
  const files = await readdir(join(root, "src"), { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  const hash = createHash("sha256");
  for (const path of [
    ...paths.sort(),
    ...["wrangler.toml", "tsconfig.json", "package-lock.json"].map((f) => join(root, f)),
  ])
    hash.update(`${path.slice(root.length)}\0`).update(await readFile(path));
  return hash.digest("hex").slice(0, 16);
}

/** wrangler's own command line, with its telemetry off and its log files inside the project. */
export const wrangler = (args: string[]) => ({
  command: process.execPath,
  args: ["--no-warnings", join(root, "node_modules", "wrangler", "wrangler-dist", "cli.js"), ...args],
  cwd: root,
  env: {
    ...process.env,
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_LOG_PATH: join(root, ".cache", "wrangler-logs"),
    NO_COLOR: "1",
  },
});

/** The part of wrangler's type that is used here. */
type WranglerConfig = {
  compatibility_date?: string;
  compatibility_flags: string[];
  durable_objects: { bindings: { name: string; class_name: string }[] };
};

async function bundle(folder: string): Promise<WorkerBuild> {
  const { code, log } = await runProcess(wrangler(["deploy", "--dry-run", "--outdir", folder]));
  const fileSystem = /\b(ENOSPC|EROFS|EACCES|EDQUOT)\b[^\n]*/.exec(log)?.[0];
  if (code !== 0 && fileSystem)
    throw new Refusal(`The Worker cannot be built because a file cannot be written: ${fileSystem}`);
  if (code !== 0) throw new Refusal(`The Worker does not build:\n${log.trim()}`);
  // Slow to load, so only when something is built.
  const { unstable_readConfig } = await import("wrangler");
  const config = unstable_readConfig({ config: join(root, "wrangler.toml") }) as WranglerConfig;
  if (!config.compatibility_date) throw new Refusal(`wrangler.toml names no compatibility_date: ${endOfOutput(log)}`);
  const text = await readFile(join(folder, "index.js"));
  return {
    folder,
    bytes: text.length,
    gzipBytes: gzipSync(text).length,
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    objects: config.durable_objects.bindings.map(({ name, class_name }) => ({ binding: name, className: class_name })),
  };
}

async function readBuild(folder: string): Promise<WorkerBuild | null> {
  const text = await readFile(join(folder, "build.json"), "utf8").catch(() => null);
  return text === null ? null : { ...(JSON.parse(text) as WorkerBuild), folder };
}

/** Bundles the Worker unless the same sources were bundled before; processes that do so at once share the result. */
export async function buildWorker(say: (line: string) => void = () => {}): Promise<WorkerBuild> {
  const folder = join(cacheFolder, await sourceHash());
  const known = await readBuild(folder);
  if (known) return known;
  say("Building the Worker …");
  await mkdir(cacheFolder, { recursive: true });
  const draft = await mkdtemp(join(cacheFolder, "building-"));
  try {
    const built = await bundle(draft);
    await writeFile(join(draft, "build.json"), JSON.stringify(built));
    await rename(draft, folder).catch(() => {});
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  for (const name of await readdir(cacheFolder)) {
    const old = join(cacheFolder, name);
    const age = Date.now() - (await stat(old).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (old !== folder && age > DAY_MS) await rm(old, { recursive: true, force: true });
  }
  const built = await readBuild(folder);
  if (!built) throw new Refusal(`The built Worker could not be kept in ${cacheFolder}: is the disk full or read-only?`);
  return built;
}

/** Its size and what the Free plan leaves, in one line. */
export function sizeLine({ bytes, gzipBytes }: Pick<WorkerBuild, "bytes" | "gzipBytes">): string {
  const kib = (count: number) => (count / 1024).toFixed(1);
  const share = ((gzipBytes / freePlanGzipBytes) * 100).toFixed(1);
  return `bundle ${kib(bytes)} KiB, ${kib(gzipBytes)} KiB compressed: ${share} % of the Free plan's 3 MB`;
}

/** Puts a copy of the built Worker into `dist/`. */
export async function copyToDist(build: WorkerBuild): Promise<string> {
  const dist = join(root, "dist");
  await rm(dist, { recursive: true, force: true });
  await cp(build.folder, dist, { recursive: true, filter: (path) => !/\.capnp$|build\.json$/.test(path) });
  return dist;
}
