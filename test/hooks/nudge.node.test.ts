import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { readNudge } from "../../src/observing/nudge.ts";
import { startPocketBase, type TestPocketBase } from "../harness/pocketbase.ts";

const hooksDir = join(import.meta.dirname, "../../pb_hooks");
const secret = crypto.randomUUID();

describe.each(["0.40.6", "0.39.11"])("the hook file on PocketBase %s", (version) => {
  let server: TestPocketBase;
  const nudges: { body: string; signature: string }[] = [];
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      nudges.push({
        body: Buffer.concat(chunks).toString(),
        signature: String(request.headers["x-signature"]),
      });
      response.writeHead(202).end();
    });
  });

  beforeAll(async () => {
    const port = await freePort();
    await new Promise<void>((resolve) => receiver.listen(port, "127.0.0.1", resolve));
    const env = { RELAY_NUDGE_URL: `http://127.0.0.1:${port}/nudge`, RELAY_NUDGE_SECRET: secret };
    server = await startPocketBase({ version, hooksDir, env });
  });
  afterAll(async () => {
    await server?.stop();
    receiver.close();
  });

  const call = async (method: string, path: string, body?: unknown) =>
    fetch(`${server.url}${path}`, {
      method,
      headers: { authorization: await server.token(), "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const nudged = async (count: number) => {
    for (let tries = 0; tries < 100 && nudges.length < count; tries++)
      await new Promise((wake) => setTimeout(wake, 50));
    return nudges.slice(0, count);
  };

  it("nudges with a signature the relay accepts after a backup was made", async () => {
    expect((await call("POST", "/api/backups", { name: "hooked.zip" })).status).toBe(204);
    const [nudge] = await nudged(1);
    expect(readNudge(secret, nudge!.body, nudge!.signature, Date.now())).toMatch(/^\w{24}$/);
    expect(readNudge(`${secret}x`, nudge!.body, nudge!.signature, Date.now())).toBeNull();
  });

  it("nudges after a restore from the new process, and leaves no marker", async () => {
    expect((await call("POST", "/api/backups/hooked.zip/restore")).status).toBe(204);
    expect(await nudged(2)).toHaveLength(2);
    expect(existsSync(join(server.dataDir, "backups", ".backup_relay_restore"))).toBe(false);
  });

  it("lets backups be made while nobody takes the nudge", async () => {
    receiver.close();
    receiver.closeAllConnections();
    expect((await call("POST", "/api/backups", { name: "unheard.zip" })).status).toBe(204);
    expect(readdirSync(join(server.dataDir, "backups"))).toContain("unheard.zip");
  });
});
