import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { type Running, startProcess } from "../../scripts/processes.ts";
import { Refusal } from "../../scripts/refusal.ts";
import { root } from "../../scripts/root.ts";
import { probeUpstream } from "../../scripts/upstream-choice.ts";
import { startPocketBase, type TestPocketBase } from "../harness/pocketbase.ts";
import { afterTheyEnd, familiesNaming, type Listed, processesNaming, stillThere } from "../harness/process-list.ts";
import { STARTED } from "../harness/waiting.ts";
import { selfSigned } from "../harness/webhooks/certificate.ts";

type Demo = {
  relay: string;
  instance: string;
  key: string;
  adminToken: string;
  upstream: { url: string; email?: string; password?: string; version?: string };
};

describe("npm start", () => {
  let folder: string;
  let before: Demo;
  const started: Running[] = [];

  const start = (args: string[], env: Record<string, string> = {}): Running => {
    const running = startProcess({
      command: process.execPath,
      args: ["--", join(root, "scripts", "run.mjs"), "scripts/start.ts", "--port", "0", ...args],
      env: { PATH: process.env.PATH, HOME: process.env.HOME, BACKUP_RELAY_FOLDER: folder, ...env },
    });
    started.push(running);
    return running;
  };
  /** The facts it leaves for scripts, as soon as they are there. */
  const ready = async (running: Running): Promise<Demo> => {
    await vi.waitUntil(() => {
      if (!running.alive()) throw new Error(`it ended: ${running.log()}`);
      return existsSync(join(folder, "demo.json"));
    }, STARTED);
    return JSON.parse(await readFile(join(folder, "demo.json"), "utf8")) as Demo;
  };
  const list = async ({ relay, key }: Demo): Promise<{ key: string }[]> => {
    const answer = await fetch(`${relay}/api/backups`, { headers: { authorization: key } });
    expect(answer.status).toBe(200);
    return (await answer.json()) as { key: string }[];
  };
  /** Both programs and whatever they started, the dead-man switches included. */
  const family = (running: Running): Listed[] =>
    [...familiesNaming(folder), ...familiesNaming(`dead-man-switch ${running.pid}`)].filter(
      ({ pid }) => pid !== process.pid,
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "relay-start-"));
  });
  afterAll(async () => {
    await Promise.all(started.map((running) => running.end()));
    await rm(folder, { recursive: true, force: true });
  });

  it("makes a backup through the relay, knows callers by their sockets, leaves the facts for scripts, and ends without a trace", async () => {
    const running = start(["--upstream-port", "0"]);
    const demo = await ready(running);
    before = demo;
    expect((await stat(join(folder, "demo.json"))).mode & 0o777).toBe(0o600);
    expect(Object.keys(demo)).toEqual(["relay", "instance", "key", "adminToken", "upstream"]);
    expect(Object.keys(demo.upstream)).toEqual(["url", "email", "password", "version"]);
    expect(demo.instance).toBe("demo");
    const [backup] = await list(demo);
    expect(backup!.key).toMatch(/^demo_\d{8}_\d{6}\.zip$/);
    const minted = await fetch(`${demo.relay}/v1/keys`, {
      method: "POST",
      headers: { authorization: `Bearer ${demo.adminToken}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "elsewhere", preset: "fetcher", networks: ["192.0.2.0/24"] }),
    });
    const { key: elsewhere } = (await minted.json()) as { key: string };
    const lies = { "cf-connecting-ip": "192.0.2.7", "mf-cf-blob": JSON.stringify({ clientIp: "192.0.2.7:1" }) };
    const refused = await fetch(`${demo.relay}/api/backups`, { headers: { authorization: elsewhere, ...lies } });
    expect(((await refused.json()) as { code: string }).code).toBe("network_refused");
    const health = await fetch(`${demo.upstream.url}/api/health`);
    expect(health.status).toBe(200);
    for (const line of [`${demo.relay}/api/backups/${backup!.key}`, "pb.authStore.save(", demo.upstream.url])
      expect(running.log()).toContain(line);

    const lines = family(running).map(({ commandLine }) => commandLine);
    expect(lines.filter((line) => /workerd serve|pocketbase serve/.test(line)).length).toBeGreaterThanOrEqual(2);
    for (const secret of [demo.adminToken, demo.upstream.password!, demo.key])
      expect(lines.join("\n")).not.toContain(secret);

    const known = family(running);
    running.signal("SIGTERM");
    expect((await running.exited).code).toBe(0);
    expect(await afterTheyEnd(() => stillThere(known))).toEqual([]);
    expect((await readdir(folder)).filter((name) => /^demo\.json|^run-/.test(name))).toEqual([]);
  });

  it("keeps its data for the next start, and leaves nothing running when it is killed with -9", async () => {
    const running = start(["--upstream-port", "0"]);
    const demo = await ready(running);
    expect(await list(demo)).toHaveLength(2);
    expect(demo.adminToken).not.toBe(before.adminToken);
    // A backup of the run before, restored now, brings its superuser back: the relay must still be able to log in.
    expect(demo.upstream.password).toBe(before.upstream.password);
    const known = family(running);
    const script = processesNaming("scripts/start.ts").find(
      ({ group, commandLine }) => group === running.pid && commandLine.includes("--disable-warning"),
    )!;
    process.kill(script.pid, "SIGKILL");
    await running.exited;
    expect(await afterTheyEnd(() => stillThere(known))).toEqual([]);
  });

  it("ends what it was doing when Ctrl-C comes early", async () => {
    const running = start(["--upstream-port", "0", "--fresh"]);
    await vi.waitUntil(() => running.log().includes("Starting the relay"), { ...STARTED, interval: 10 });
    const known = family(running);
    expect(known.some(({ commandLine }) => commandLine.includes("pocketbase serve"))).toBe(true);
    running.signal("SIGINT");
    expect((await running.exited).code).toBe(0);
    expect(await afterTheyEnd(() => [...stillThere(known), ...family(running)])).toEqual([]);
    expect(existsSync(join(folder, "demo.json"))).toBe(false);
  });

  it("says in one sentence that a port is busy", async () => {
    const busy = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => busy.once("listening", resolve));
    const { port } = busy.address() as AddressInfo;
    const running = start(["--upstream-port", String(port)]);
    expect((await running.exited).code).toBe(1);
    busy.close();
    expect(running.log()).toMatch(
      new RegExp(`^Port ${port} on 127.0.0.1 is in use: [^\n]*--upstream-port PORT \\(0 picks a free one\\)\\.\n`, "m"),
    );
  });

  describe("in front of an existing server", () => {
    let server: TestPocketBase;
    beforeAll(async () => {
      server = await startPocketBase();
    });
    afterAll(() => server.stop());

    it("writes nothing there without a yes, and keeps the password out of what it leaves", async () => {
      const running = start(["--upstream", server.url], {
        POCKETBASE_EMAIL: server.email,
        POCKETBASE_PASSWORD: server.password,
      });
      const demo = await ready(running);
      expect(demo.upstream).toEqual({ url: server.url });
      expect(await list(demo)).toEqual([]);
      const create = await fetch(`${demo.relay}/api/backups`, { method: "POST", headers: { authorization: demo.key } });
      expect(create.status).toBe(403);
      const direct = await fetch(`${server.url}/api/backups`, { headers: { authorization: await server.token() } });
      expect(await direct.json()).toEqual([]);
      running.signal("SIGTERM");
      expect((await running.exited).code).toBe(0);
      expect(running.log()).not.toContain(server.password);
    });

    it("says in one sentence why there is no answer", async () => {
      const secure = createSecureServer(selfSigned()).listen(0, "127.0.0.1");
      await new Promise((resolve) => secure.once("listening", resolve));
      const { port } = secure.address() as AddressInfo;
      const told = async (url: string) => {
        const error = await probeUpstream(url).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(Refusal);
        return (error as Refusal).message;
      };
      expect(await told(`https://127.0.0.1:${port}`)).toMatch(/certificate of .* is not valid/);
      expect(await told(server.url.replace("http:", "https:"))).toMatch(/speaks no TLS at this port/);
      expect(await told("https://no-such-server.invalid")).toMatch(/does not resolve/);
      secure.close();
    });

    it("says in one sentence that nothing answers there, or that no credential was given", async () => {
      const nowhere = start(["--upstream", `http://127.0.0.1:${await freePort()}`]);
      const silent = await nowhere.exited;
      expect(silent.code).toBe(1);
      expect(nowhere.log()).toContain("Nothing answers at");
      const anonymous = start(["--upstream", server.url]);
      expect((await anonymous.exited).code).toBe(1);
      expect(anonymous.log()).toContain("There is no terminal to ask for the credential: set POCKETBASE_TOKEN");
    });
  });
});
