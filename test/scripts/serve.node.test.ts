import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { buildWorker } from "../../scripts/build-worker.ts";
import { type Running, startProcess } from "../../scripts/processes.ts";
import { root } from "../../scripts/root.ts";
import { serveSettings } from "../../scripts/serve-settings.ts";
import { neverReached, settingNames, uniqueKey, workerdConfig } from "../../scripts/workerd-config.ts";
import { classify } from "../../src/base/address-ranges.ts";
import { ownMount } from "../harness/own-mount.ts";
import { afterTheyEnd, processesNaming } from "../harness/process-list.ts";
import { STARTED } from "../harness/waiting.ts";

const secrets = () => ({
  ADMIN_TOKEN: randomBytes(36).toString("base64url"),
  ENCRYPTION_KEY: randomBytes(32).toString("base64"),
});

describe("the configuration for workerd", () => {
  const build = {
    compatibilityDate: "2026-10-23",
    compatibilityFlags: ["a_flag"],
    objects: [{ binding: "DIRECTORY", className: "Directory" }],
  };
  const service = (text: string, name: string) => text.split("\n").find((line) => line.includes(`(name = "${name}"`))!;

  it("keeps the names of stored objects frozen", () => {
    expect(["Directory", "Instance", "Endpoint", "Connection"].map(uniqueKey)).toEqual([
      "backup-relay-directory",
      "backup-relay-instance",
      "backup-relay-endpoint",
      "backup-relay-connection",
    ]);
  });

  it("takes date, flags and objects from the build and names settings without their values", () => {
    const text = workerdConfig({ build, privateNetwork: "none", settings: ["ADMIN_TOKEN"] });
    expect(text).toContain(`compatibilityDate = "2026-10-23"`);
    expect(text).toContain(`compatibilityFlags = ["a_flag"]`);
    expect(text).toContain(`(className = "Directory", uniqueKey = "backup-relay-directory", enableSql = true)`);
    expect(text).toContain(`(name = "ADMIN_TOKEN", fromEnvironment = "ADMIN_TOKEN")`);
    expect(text).not.toContain("ENCRYPTION_KEY");
  });

  it.each([
    ["none", false, false],
    ["instances", true, false],
    ["all", true, true],
  ] as const)(
    "with ALLOW_PRIVATE_NETWORK=%s opens private addresses to instances: %s, to webhooks: %s",
    (privateNetwork, instances, webhooks) => {
      const text = workerdConfig({ build, privateNetwork, settings: settingNames });
      expect(service(text, "internet").includes('"private"')).toBe(instances);
      expect(service(text, "public").includes('"private"')).toBe(webhooks);
      for (const name of ["internet", "public"])
        for (const block of neverReached) expect(service(text, name)).toContain(`"${block}"`);
    },
  );

  it("never reaches what the Worker itself calls link-local or metadata", () => {
    const samples = [
      "169.254.169.254",
      "168.63.129.16",
      "100.100.100.200",
      "192.0.0.192",
      "fe80::1",
      "fd00:ec2::254",
      "fd20:ce::254",
    ];
    for (const address of samples) expect(["link-local", "metadata"]).toContain(classify(address));
  });
});

describe("the settings of npm run serve", () => {
  const read = (environment: Record<string, string>, text?: string) => {
    const warnings: string[] = [];
    const file = text === undefined ? null : { path: "relay.env", text };
    return { settings: serveSettings(environment, file, (line) => warnings.push(line)), warnings };
  };

  it("come from the environment, else the file, else what suits a machine of one's own", () => {
    const { ADMIN_TOKEN, ENCRYPTION_KEY } = secrets();
    const { settings, warnings } = read(
      { ADMIN_TOKEN, HEALING: "off" },
      `ENCRYPTION_KEY=${ENCRYPTION_KEY}\nHEALING=segments\nADMIN_TOKN=x\n`,
    );
    expect(settings).toEqual({
      ADMIN_TOKEN,
      ENCRYPTION_KEY,
      HEALING: "off",
      CLIENT_ADDRESS: "socket",
      RESOLVER: "off",
    });
    expect(warnings).toEqual(["ADMIN_TOKN in relay.env is no setting of the relay."]);
    expect(read(secrets()).settings.HEALING).toBe("exact");
  });

  it("are refused in one sentence that names the setting and not its value", () => {
    const good = secrets();
    for (const [changed, name] of [
      [{ ADMIN_TOKEN: "" }, "ADMIN_TOKEN"],
      [{ ADMIN_TOKEN: "short-one" }, "ADMIN_TOKEN"],
      [{ ADMIN_TOKEN: "abcabcabcabcabcabcabcabcabcabcabcabc" }, "ADMIN_TOKEN"],
      [{ ENCRYPTION_KEY: "bm90IHRoaXJ0eS10d28gYnl0ZXM=" }, "ENCRYPTION_KEY"],
      [{ ALLOW_PRIVATE_NETWORK: "some" }, "ALLOW_PRIVATE_NETWORK"],
    ] as const) {
      expect(() => read({ ...good, ...changed })).toThrow(new RegExp(`^${name} [^\n]*\\.$`));
      const value = Object.values(changed)[0];
      if (value) expect(() => read({ ...good, ...changed })).not.toThrow(value);
    }
  });
});

const refuse = (response: ServerResponse): void => void response.writeHead(503).end();

describe("npm run serve", () => {
  const settings = { ...secrets(), ALLOW_PRIVATE_NETWORK: "instances" };
  let folder: string;
  let dataDir: string;
  let upstream: Server;
  let upstreamUrl: string;
  /** Called with every request to the stand-in server. */
  let onRequest: (response: ServerResponse) => void = refuse;
  const started: Running[] = [];

  const serve = (args: string[], env: Record<string, string> = settings, within: readonly string[] = []) => {
    const script = ["--", join(root, "scripts", "run.mjs"), "scripts/serve.ts", "--data", dataDir, ...args];
    const [command, ...rest] = [...within, process.execPath, ...script];
    const running = startProcess({
      command: command!,
      args: rest,
      env: { PATH: process.env.PATH, ...env },
    });
    started.push(running);
    return running;
  };
  const answering = (running: Running): Promise<string> =>
    vi.waitUntil(() => {
      if (!running.alive()) throw new Error(`it ended: ${running.log()}`);
      return /answers on (http:\S+)/.exec(running.log())?.[1];
    }, STARTED);
  const admin = (url: string, method: string, path: string, body?: unknown) =>
    fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${settings.ADMIN_TOKEN}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  const workerd = () =>
    processesNaming(`store=${dataDir}`).filter(({ commandLine }) => commandLine.includes("workerd serve"));

  beforeAll(async () => {
    await buildWorker();
    folder = await mkdtemp(join(tmpdir(), "relay-serve-"));
    dataDir = join(folder, "data");
    upstream = createServer((_, response) => onRequest(response)).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    await Promise.all(started.map((running) => running.end()));
    upstream.closeAllConnections();
    upstream.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("says in one sentence why it cannot start, and exits with 1", async () => {
    const told = async (running: Running) => {
      expect((await running.exited).code).toBe(1);
      return running.log().trim();
    };
    const busy = createServer().listen(0, "127.0.0.1");
    await once(busy, "listening");
    const { port } = busy.address() as AddressInfo;
    expect(await told(serve(["--port", String(port)]))).toMatch(
      new RegExp(`^Port ${port} on 127.0.0.1 is in use: [^\n]*$`, "m"),
    );
    busy.close();
    expect(await told(serve([], { ...settings, ENCRYPTION_KEY: "no" }))).toMatch(/^ENCRYPTION_KEY must be [^\n]*$/);
    expect(await told(serve(["--env-file", join(folder, "missing.env")]))).toMatch(
      /missing\.env cannot be read \(ENOENT\)[^\n]*$/,
    );
    expect(await told(serve(["--host", "192.0.2.1", "--port", "0"]))).toMatch(
      /192\.0\.2\.1 is no address of this machine/,
    );
    expect(await told(serve([], { ...settings, CLIENT_ADDRESS: "cloudflare" }))).toMatch(
      /^CLIENT_ADDRESS=cloudflare is for a deployed Worker\. [^\n]*$/,
    );
  });

  it("says in one sentence that a folder cannot be written or is not its own", async () => {
    const told = async (data: string, within: readonly string[] = []) => {
      const running = serve(["--port", "0", "--data", data], settings, within);
      expect((await running.exited).code).toBe(1);
      return running.log().trim();
    };
    const empty = join(folder, "empty");
    const readOnly = (path: string) => ownMount('mount -t tmpfs -o ro tmpfs "$0"', path);
    await mkdir(empty);
    expect(await told(empty, readOnly(empty))).toBe(
      `${empty} lies on a read-only file system: mount it for writing, or use a folder elsewhere.`,
    );
    const file = join(folder, "file");
    await writeFile(file, "");
    expect(await told(file)).toMatch(/^[^\n]*file is a file where a folder is needed[^\n]*$/);
    expect(await told(join(file, "below"))).toMatch(/^[^\n]* lies below a file [^\n]*$/);
    const cache = join(root, ".cache");
    expect(await told(join(folder, "unbuilt"), readOnly(cache))).toMatch(
      new RegExp(`^(Building the Worker …\n)?${cache}\\S* lies on a read-only file system: [^\n]*$`),
    );
    const home = join(folder, "home");
    await mkdir(join(home, "pictures"), { recursive: true });
    await chmod(home, 0o755);
    expect(await told(home)).toMatch(/holds other things \(pictures\) and is open to other users: [^\n]*$/);
    expect((await stat(home)).mode & 0o777).toBe(0o755);
  });

  it("answers with its storage in the folder, closed to others whatever was there before, whose second user is refused", async () => {
    const envFile = join(folder, "relay.env");
    await writeFile(
      envFile,
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    // As an archive tool or another user's mask may have left it.
    await mkdir(join(dataDir, uniqueKey("Instance")), { recursive: true });
    for (const open of [dataDir, join(dataDir, uniqueKey("Instance"))]) {
      await chmod(open, 0o777);
      await writeFile(join(open, "left"), "");
      await chmod(join(open, "left"), 0o666);
    }
    const url = await answering(serve(["--port", "0", "--env-file", envFile], {}));
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/v1/health`)).status).toBe(200);
    const made = await admin(url, "POST", "/v1/instances", {
      name: "kept",
      url: upstreamUrl,
      credential: { token: "t".repeat(20) },
      force: true,
    });
    expect(made.status).toBe(201);
    const modes = new Map<string, number>();
    for (const name of [".", ...(await readdir(dataDir, { recursive: true }))])
      modes.set(name, (await stat(join(dataDir, name))).mode & 0o777);
    expect([...modes].filter(([, mode]) => mode !== 0o700 && mode !== 0o600)).toEqual([]);
    expect([...modes.keys()].filter((name) => /\.sqlite$/.test(name)).length).toBeGreaterThan(1);
    const second = serve(["--port", "0"]);
    expect((await second.exited).code).toBe(1);
    expect(second.log()).toContain(`${dataDir} is in use by another process`);
  });

  it("keeps secrets out of every command line and every file of its own", async () => {
    const lines = processesNaming(dataDir).map(({ commandLine }) => commandLine);
    expect(lines.length).toBeGreaterThan(0);
    const { folder: built } = await buildWorker();
    const configs = (await readdir(built)).filter((name) => name.endsWith(".capnp"));
    expect(configs.length).toBeGreaterThan(0);
    for (const name of configs) lines.push(await readFile(join(built, name), "utf8"));
    for (const text of lines)
      for (const secret of [settings.ADMIN_TOKEN, settings.ENCRYPTION_KEY]) expect(text).not.toContain(secret);
  });

  it("loses nothing and leaves nothing when it is killed with -9", async () => {
    const [running] = started.slice(-2);
    const script = processesNaming(dataDir).find(({ commandLine }) => /disable-warning.*serve\.ts/.test(commandLine))!;
    process.kill(script.pid, "SIGKILL");
    await running!.exited;
    expect(await afterTheyEnd(() => processesNaming(`store=${dataDir}`))).toEqual([]);
    const url = await answering(serve(["--port", "0"]));
    const kept = await admin(url, "GET", "/v1/instances/kept");
    expect(kept.status).toBe(200);
  });

  it("lets a request under way finish after SIGTERM and then ends with 0", async () => {
    const running = started.at(-1)!;
    const url = await answering(running);
    const held: ServerResponse[] = [];
    const reached = new Promise<void>((resolve) => {
      onRequest = (response) => {
        held.push(response);
        resolve();
      };
    });
    const answer = admin(url, "POST", "/v1/instances/kept/check");
    await reached;
    running.signal("SIGTERM");
    await vi.waitUntil(() => running.log().includes("Ending after the requests under way"), STARTED);
    expect(running.alive()).toBe(true);
    onRequest = refuse;
    held.forEach(refuse);
    expect((await answer).status).toBe(200);
    expect((await running.exited).code).toBe(0);
    expect(workerd()).toEqual([]);
  });
});
