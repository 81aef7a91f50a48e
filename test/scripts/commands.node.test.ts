import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { installProblem, isInstalled } from "../../scripts/bootstrap.mjs";
import { sizeLine } from "../../scripts/build-worker.ts";
import { runSteps } from "../../scripts/check-steps.ts";
import { addTallies, closingLine, tallyVitest } from "../../scripts/closing-line.ts";
import { backupName } from "../../scripts/demo.ts";
import { demoText } from "../../scripts/demo-text.ts";
import { readFlags, readPort } from "../../scripts/flags.ts";
import { claimPort, freePort } from "../../scripts/ports.ts";
import { Refusal } from "../../scripts/refusal.ts";
import { root } from "../../scripts/root.ts";
import { readCredential, readUpstreamUrl } from "../../scripts/upstream-choice.ts";

afterEach(() => void vi.restoreAllMocks());

/** Runs one of the project's commands as npm does, without a terminal. */
const command = (script: string, args: string[], env: Record<string, string> = {}) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [`${root}scripts/run.mjs`, `scripts/${script}.ts`, ...args],
      { env: { PATH: process.env.PATH, ...env } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });

describe("the packages that are installed", () => {
  const lock = JSON.stringify({
    packages: {
      "": { version: "0.1.0" },
      "node_modules/a": { version: "1.0.0" },
      "node_modules/b": { version: "2.0.0", optional: true },
    },
  });
  const installed = (packages: object) => isInstalled(lock, JSON.stringify({ packages }));

  it("count as complete without what is for other platforms", () => {
    expect(installed({ "node_modules/a": { version: "1.0.0" } })).toBe(true);
  });
  it("count as stale when one is missing, old, or nothing is there", () => {
    expect(installed({})).toBe(false);
    expect(installed({ "node_modules/a": { version: "0.9.0" } })).toBe(false);
    expect(installed({ "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "1.0.0" } })).toBe(false);
    expect(isInstalled(lock, null)).toBe(false);
  });
  it("are complete here, by npm's own record", () => {
    const read = (path: string) => readFileSync(root + path, "utf8");
    expect(isInstalled(read("package-lock.json"), read("node_modules/.package-lock.json"))).toBe(true);
  });
});

it.each([
  ["npm error code ENOTFOUND", /The npm registry https:\/\/npm\.example\/ cannot be reached/],
  ["npm error code ENOSPC", /The disk is full/],
  ["npm error code EINTEGRITY", /differs from what package-lock\.json pins/],
  ["npm error code EACCES", /may not write here/],
  ["npm error something else", /its own words stand above/],
])("says in one sentence why npm ci failed: %s", (words, sentence) => {
  expect(installProblem(words, "https://npm.example/")).toMatch(sentence);
});

describe("flags", () => {
  it("are refused by name when unknown, without a value, or no port", () => {
    const options = { port: { type: "string" } } as const;
    expect(() => readFlags(["--prot", "1"], options, "")).toThrow(/--prot.*--help/);
    expect(() => readFlags(["--port"], options, "")).toThrow(/--port/);
    expect(() => readFlags(["stray"], options, "")).toThrow(/stray/);
    for (const text of ["65536", "80.5", "-1", "x", ""])
      expect(() => readPort(text, "--port")).toThrow(/--port must be/);
    expect(readPort("0", "--port")).toBe(0);
  });

  it("of every command are told by --help", async () => {
    for (const [script, flags] of [
      ["start", ["--port", "--upstream-port", "--pocketbase", "--upstream", "--fresh"]],
      ["serve", ["--host", "--port", "--data", "--env-file"]],
      ["key", ["--url", "--instance", "--preset", "--name"]],
    ] as const) {
      const { code, out } = await command(script, ["--help"]);
      expect(code).toBe(0);
      for (const flag of flags) expect(out).toContain(flag);
    }
  });
});

it("names the flag that changes a busy port", async () => {
  const busy = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => busy.once("listening", resolve));
  const { port } = busy.address() as AddressInfo;
  await expect(claimPort(port, "--upstream-port")).rejects.toThrow(
    `Port ${port} on 127.0.0.1 is in use: stop what listens there, or choose another with --upstream-port PORT`,
  );
  busy.close();
  expect(await claimPort(0, "--port")).toBeGreaterThan(1023);
});

describe("the closing line", () => {
  const report = { numPassedTests: 5, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
  it("counts tests and steps, and what was skipped only when something was", () => {
    const steps = { passed: 3, failed: 1, skipped: 0 };
    expect(closingLine(addTallies([steps, tallyVitest(report, 0)]))).toBe("8 passed, 1 failed");
    expect(closingLine(tallyVitest({ ...report, numPendingTests: 1, numTodoTests: 1 }, 0))).toBe(
      "5 passed, 0 failed, 2 skipped",
    );
  });
  it("counts a file that broke before its first test, a crash and a missing report as failures", () => {
    const broken = { ...report, testResults: [{ status: "failed", assertionResults: [] }] };
    expect(tallyVitest(broken, 1).failed).toBe(1);
    expect(tallyVitest(report, 1).failed).toBe(1);
    expect(tallyVitest(null, 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

it("goes on after a failed step and shows its reason", async () => {
  const said = vi.spyOn(console, "log").mockImplementation(() => {});
  const tally = await runSteps([
    { name: "one", run: () => Promise.reject(new Refusal("because of this")) },
    { name: "two", run: () => Promise.resolve("fine") },
  ]);
  expect(tally).toEqual({ passed: 1, failed: 1, skipped: 0 });
  expect(said.mock.calls.join("\n")).toContain("because of this");
});

it("prints the bundle's size against the Free plan's cap", () => {
  expect(sizeLine({ bytes: 2_048_000, gzipBytes: 300_000 })).toBe(
    "bundle 2000.0 KiB, 293.0 KiB compressed: 10.0 % of the Free plan's 3 MB",
  );
});

describe("an existing server for npm start", () => {
  it("is addressed by its root, whatever was copied from the browser", () => {
    expect(readUpstreamUrl("https://pb.example.com/_/")).toBe("https://pb.example.com");
    expect(readUpstreamUrl("pb.example.com")).toBe("https://pb.example.com");
    expect(readUpstreamUrl("http://127.0.0.1:8090/prefix/")).toBe("http://127.0.0.1:8090/prefix");
    for (const bad of ["https://me:pw@pb.example.com", "https://pb.example.com/?a=1", "http://", "https://a b"])
      expect(() => readUpstreamUrl(bad)).toThrow(/--upstream must be/);
  });
  it("gets its credential from the environment where nobody can be asked", async () => {
    expect(await readCredential({ POCKETBASE_TOKEN: "t" }, "u")).toEqual({ token: "t" });
    expect(await readCredential({ POCKETBASE_EMAIL: "e", POCKETBASE_PASSWORD: "p" }, "u")).toEqual({
      email: "e",
      password: "p",
    });
    await expect(readCredential({ POCKETBASE_EMAIL: "e" }, "u")).rejects.toThrow(/set POCKETBASE_TOKEN, or/);
  });
});

it("prints lines that a shell takes as they are", () => {
  const upstream = { url: "http://127.0.0.1:8090", own: true };
  const facts = { relay: "http://127.0.0.1:8787", key: "KEY", upstream, demoFile: ".relay/demo.json" };
  const text = demoText({ ...facts, backup: "demo.zip", mayWrite: true });
  expect(text).toContain('curl -H "Authorization: Bearer KEY" http://127.0.0.1:8787/api/backups\n');
  expect(text).toContain(`-d '{"name":"mine.zip"}' http://127.0.0.1:8787/api/backups\n`);
  expect(text).toContain("-o demo.zip http://127.0.0.1:8787/api/backups/demo.zip\n");
  expect(demoText({ ...facts, backup: null, mayWrite: false })).not.toContain("mine.zip");
  // PocketBase's own rule for names.
  expect(backupName(Date.UTC(2026, 10, 22, 10, 15, 0))).toMatch(/^[a-z0-9_-]+\.zip$/);
});

describe("npm run key", () => {
  const flags = ["--instance", "demo", "--preset", "robot", "--name", "ci"];

  it("prints the key alone on standard output and sends what was asked for", async () => {
    const asked: { authorization?: string; instance?: unknown; body: string }[] = [];
    const relay = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        const { authorization, "relay-instance": instance } = request.headers;
        asked.push({ authorization, instance, body });
        response.writeHead(201, { "content-type": "application/json" });
        response.end(JSON.stringify({ id: "k1", key: "the-key", scopes: ["backups:list"] }));
      });
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => relay.once("listening", resolve));
    const url = `http://127.0.0.1:${(relay.address() as AddressInfo).port}`;
    const { code, out, err } = await command("key", ["--url", url, ...flags], { ADMIN_TOKEN: "first,second" });
    relay.close();
    expect({ code, out }).toEqual({ code: 0, out: "the-key\n" });
    expect(err).not.toContain("the-key");
    expect(asked).toEqual([
      { authorization: "Bearer first", instance: "demo", body: JSON.stringify({ name: "ci", preset: "robot" }) },
    ]);
  });

  it("says in one sentence what is missing", async () => {
    const told = async (args: string[], env?: Record<string, string>) => (await command("key", args, env)).err;
    expect(await told(["--url", "http://127.0.0.1:1234", ...flags])).toMatch(
      /^ADMIN_TOKEN is not in the environment.*\n$/,
    );
    const env = { ADMIN_TOKEN: "x" };
    expect(await told(["--url", "http://relay.example.com", ...flags], env)).toMatch(/not sent over plain http/);
    const nobody = `http://127.0.0.1:${await freePort()}`;
    expect(await told(["--url", nobody, ...flags], env)).toMatch(/^No relay answers at .*ECONNREFUSED/);
    expect(await told(["--url", nobody, "--name", "ci"], env)).toMatch(/either --preset or --scope/);
  });
});
