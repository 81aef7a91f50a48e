import { afterAll, describe, expect, it } from "vitest";
import { defaultVersion, previousVersion } from "../../scripts/pocketbase-versions.ts";
import { startPocketBase, type TestPocketBase } from "./pocketbase.ts";

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
