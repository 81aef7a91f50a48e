import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { readNudge } from "../../src/observing/nudge.ts";
import { startPocketBase, type TestPocketBase } from "../harness/pocketbase.ts";
import { call } from "../harness/pocketbase-calls.ts";
import { Receiver } from "../harness/receiver.ts";
import { SOON } from "../harness/waiting.ts";

const hooksDir = join(import.meta.dirname, "../../pb_hooks");
const secret = crypto.randomUUID();

describe.each(["0.40.6", "0.39.11"])("the hook file on PocketBase %s", (version) => {
  let server: TestPocketBase;
  const receiver = new Receiver();
  receiver.answers.set("/nudge", (response) => void response.writeHead(202).end());

  beforeAll(async () => {
    await receiver.start();
    const env = { RELAY_NUDGE_URL: receiver.url("/nudge"), RELAY_NUDGE_SECRET: secret };
    server = await startPocketBase({ version, hooksDir, env });
  });
  afterAll(async () => {
    await server?.stop();
    await receiver.stop();
  });

  const nudged = (count: number) => vi.waitUntil(() => receiver.got.length >= count && receiver.got, SOON);

  it("nudges with a signature the relay accepts after a backup was made", async () => {
    expect((await call(server, "POST", "/api/backups", { name: "hooked.zip" })).status).toBe(204);
    const [nudge] = await nudged(1);
    const { body, headers } = nudge!;
    const signature = String(headers["x-signature"]);
    expect(readNudge(secret, body, signature, Date.now())).toMatch(/^\w{24}$/);
    expect(readNudge(`${secret}x`, body, signature, Date.now())).toBeNull();
  });

  it("nudges after a restore from the new process, and leaves no marker", async () => {
    expect((await call(server, "POST", "/api/backups/hooked.zip/restore")).status).toBe(204);
    expect(await nudged(2)).toHaveLength(2);
    expect(existsSync(join(server.dataDir, "backups", ".backup_relay_restore"))).toBe(false);
    // The new process nudges before it listens.
    await vi.waitUntil(
      () =>
        fetch(`${server.url}/api/health`).then(
          ({ ok }) => ok,
          () => false,
        ),
      SOON,
    );
  });

  it("lets backups be made while nobody takes the nudge", async () => {
    await receiver.stop();
    expect((await call(server, "POST", "/api/backups", { name: "unheard.zip" })).status).toBe(204);
    expect(readdirSync(join(server.dataDir, "backups"))).toContain("unheard.zip");
  });
});
