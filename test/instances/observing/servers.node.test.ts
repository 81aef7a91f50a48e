import { execFile } from "node:child_process";
import { openAsBlob } from "node:fs";
import { copyFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findPocketBase } from "../../../scripts/pocketbase-find.ts";
import { newPassword } from "../../../scripts/pocketbase-server.ts";
import { freePort } from "../../../scripts/ports.ts";
import { signedNudge } from "../../harness/nudge.ts";
import { startPocketBase, type TestPocketBase } from "../../harness/pocketbase.ts";
import { call } from "../../harness/pocketbase-calls.ts";
import { startRelay, type TestRelay } from "../../harness/relay.ts";
import { admin, registerInstance } from "../../harness/relay-client.ts";
import { SOON } from "../../harness/waiting.ts";

const run = promisify(execFile);
/** For what a real server writes down or tells late, on a busy machine. */
const LOGGED = { timeout: 25_000, interval: 250 };
const cliHooks = join(import.meta.dirname, "cli_hooks");
const hooksDir = join(import.meta.dirname, "../../../pb_hooks");

type Event = { seq: number; type: string; data: Record<string, unknown> & { backup?: { key: string } } };

let relay: TestRelay;
beforeAll(async () => {
  relay = await startRelay();
});
afterAll(() => relay?.stop());

describe.concurrent.each(["0.40.6", "0.39.11"])("what happens on PocketBase %s behind the relay's back", (version) => {
  const instance = `i${version.replaceAll(".", "-")}`;
  let server: TestPocketBase;
  let nudge: { url: string; secret: string };
  let backups: string;

  beforeAll(async () => {
    const [port, password] = [await freePort(), newPassword()];
    const place = { url: `http://127.0.0.1:${port}`, email: "superuser@example.com", password };
    // Looks once a day of its own accord: whatever is seen here was brought by a nudge.
    ({ nudge } = await registerInstance(relay, place, { name: instance, force: true, pollSeconds: 86_400 }));
    nudge.url = relay.url + new URL(nudge.url, relay.url).pathname;
    const env = { RELAY_NUDGE_URL: nudge.url, RELAY_NUDGE_SECRET: nudge.secret };
    server = await startPocketBase({ version, port, password, hooksDir, env });
    backups = join(server.dataDir, "backups");
    await look();
    await sleep(2_500);
  });
  afterAll(() => server?.stop());

  const events = async (type = "*"): Promise<Event[]> => {
    const answer = await admin(relay, `/v1/events?limit=200&type=${type}`, { instance });
    return ((await answer.json()) as { items: Event[] }).items;
  };
  const told = async () => (await events()).map(({ type, data }) => `${type} ${data.backup?.key ?? data.name}`);
  /** What the hook file sends, for changes that have no hook. */
  const look = async () => {
    expect((await fetch(nudge.url, signedNudge(nudge.secret))).status).toBe(202);
  };
  const recorded = (line: string, nudging = true) => {
    let tries = 0;
    return vi.waitUntil(async () => {
      if ((await told()).includes(line)) return true;
      if (nudging && tries++ % 12 === 0) await look();
      return false;
    }, LOGGED);
  };

  it("is one event each: dashboard, command line, cron, hand, upload, deletion, pruning and the cron's failure", async () => {
    // The hook file nudges: no look was asked for here.
    expect((await call(server, "POST", "/api/backups", { name: "dashboard.zip" })).status).toBe(204);

    // Another process on the same data, as a command of an administrator's own. On 0.39.11 that may cost the server its
    // database (docs/upstream.md), so there only the file by hand comes from outside.
    const made = ["dashboard.zip", "uploaded.zip", "by hand.zip"];
    if (version !== "0.39.11") {
      const { path } = await findPocketBase(version, console.error);
      await run(path, ["backup", "cli_made.zip", "--dir", server.dataDir, "--hooksDir", cliHooks]);
      made.push("cli_made.zip");
    }
    await copyFile(join(backups, "dashboard.zip"), join(backups, "by hand.zip"));
    const form = new FormData();
    form.set("file", await openAsBlob(join(backups, "dashboard.zip"), { type: "application/zip" }), "uploaded.zip");
    const authorization = await server.token();
    const uploaded = await fetch(`${server.url}/api/backups/upload`, {
      method: "POST",
      headers: { authorization },
      body: form,
    });
    expect(uploaded.status).toBe(204);

    const cron = { backups: { cron: "0 0 1 1 *", cronMaxKeep: 1 } };
    expect((await call(server, "PATCH", "/api/settings", cron)).status).toBe(200);
    const autos = async () => (await readdir(backups)).filter((name) => /^@auto.*\.zip$/.test(name));
    const runCron = async () => expect((await call(server, "POST", "/api/crons/__pbAutoBackup__")).status).toBe(204);
    await runCron();
    const first = await vi.waitUntil(async () => (await autos())[0], SOON);
    for (const name of [...made, first]) {
      await recorded(`backup.created ${name}`, false);
      await recorded(`backup.verified ${name}`, false);
    }
    await runCron();
    const second = await vi.waitUntil(async () => {
      const names = await autos();
      return !names.includes(first) && names[0];
    }, SOON);
    expect((await call(server, "DELETE", "/api/backups/dashboard.zip")).status).toBe(204);

    // A store that cannot be written: the cron fails, and only the server's log says so.
    await rename(backups, `${backups}_`);
    await writeFile(backups, "");
    await runCron();
    // The server says so 3 s after the last request that it logs, which reading its log is not and a login is; until then
    // the store stays as it is.
    const token = await server.token();
    const failures = `/api/logs?${new URLSearchParams({ filter: 'message~"Failed to create backup"' })}`;
    await vi.waitUntil(async () => {
      const { totalItems } = (await (await call(server, "GET", failures, undefined, token)).json()) as {
        totalItems: number;
      };
      return totalItems > 0;
    }, LOGGED);
    await rm(backups);
    await rename(`${backups}_`, backups);
    await recorded(`backup.created ${second}`);
    await recorded(`backup.deleted ${first}`);
    await recorded("backup.deleted dashboard.zip");
    let tries = 0;
    await vi.waitUntil(async () => {
      if (++tries % 16 === 0) await look();
      return (await events("backup.failed")).length > 0;
    }, LOGGED);
    await look();
    await sleep(1_000);

    const all = await told();
    expect(new Set(all).size).toBe(all.length);
    expect(all.filter((line) => line.startsWith("backup.created")).length).toBe(made.length + 2);
    expect(all.filter((line) => line.startsWith("backup.deleted")).sort()).toEqual(
      [`backup.deleted ${first}`, "backup.deleted dashboard.zip"].sort(),
    );
    const reasons = (await events("backup.deleted")).map(({ data }) => [data.backup?.key, data.reason]);
    expect(Object.fromEntries(reasons)).toEqual({ [first!]: "pruned_upstream", "dashboard.zip": "unknown" });
    const failed = await events("backup.failed");
    expect(failed.map(({ data }) => [data.cause, (data.actor as { kind: string }).kind])).toEqual([
      ["cron", "upstream"],
    ]);
    for (const { data } of await events("backup.created")) expect(data.actor).toEqual({ kind: "upstream" });
    expect(all.filter((line) => line.startsWith("backup.suspect"))).toEqual([]);
    const verdict = await (await admin(relay, "/v1/events/verify", { instance })).json();
    expect(verdict).toMatchObject({ ok: true, from: 1 });
  });
});
