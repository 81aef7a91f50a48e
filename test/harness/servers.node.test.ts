import { randomBytes } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { defaultVersion, previousVersion } from "../../scripts/pocketbase-versions.ts";
import { startPocketBase, type TestPocketBase } from "./pocketbase.ts";
import { startRelay, type TestRelay } from "./relay.ts";

describe.each([defaultVersion, previousVersion])("PocketBase %s", (version) => {
  let server: TestPocketBase;
  afterAll(() => server.stop());

  it("starts on loopback and answers its health", async () => {
    server = await startPocketBase({ version });
    expect(server.version).toBe(version);
    expect(new URL(server.url).hostname).toBe("127.0.0.1");
    const health = await fetch(`${server.url}/api/health`);
    expect(health.status).toBe(200);
  });

  it("has a superuser whose token opens the backups", async () => {
    const answer = await fetch(`${server.url}/api/backups`, { headers: { authorization: await server.token() } });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual([]);
  });

  it("keeps its data and takes the new password when it starts again on the same folder", async () => {
    const authorization = await server.token();
    const made = await fetch(`${server.url}/api/backups`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ name: "kept.zip" }),
    });
    expect(made.status).toBe(204);
    await server.kill();
    const again = await startPocketBase({ version, dataDir: server.dataDir });
    try {
      expect(again.password).not.toBe(server.password);
      const answer = await fetch(`${again.url}/api/backups`, { headers: { authorization: await again.token() } });
      expect(await answer.json()).toMatchObject([{ key: "kept.zip" }]);
    } finally {
      await again.stop();
    }
  });
});

describe("the relay on raw workerd", () => {
  let relay: TestRelay;
  afterAll(() => relay.stop());
  const instances = () =>
    fetch(`${relay.url}/v1/instances`, { headers: { authorization: `Bearer ${relay.adminToken}` } });

  it("answers its administrator and tells what it uses", async () => {
    relay = await startRelay();
    expect((await instances()).status).toBe(200);
    expect(relay.rssBytes()).toBeGreaterThan(1 << 20);
    expect(relay.cpuSeconds()).toBeGreaterThan(0);
  });

  it("is dead after kill9 and comes back on the same address with its data", async () => {
    const before = relay.pid;
    await relay.kill9();
    await expect(instances()).rejects.toThrow();
    await relay.restart();
    expect(relay.pid).not.toBe(before);
    expect((await instances()).status).toBe(200);
  });

  it("takes changed settings with a restart", async () => {
    await relay.restart({ ADMIN_TOKEN: randomBytes(36).toString("base64url") });
    expect((await instances()).status).toBe(401);
  });
});
