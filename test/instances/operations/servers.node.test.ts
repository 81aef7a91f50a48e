import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { database } from "../../harness/archive/database.ts";
import { zip } from "../../harness/archive/zip.ts";
import { startPocketBase, type TestPocketBase } from "../../harness/pocketbase.ts";
import { call, makeBackup } from "../../harness/pocketbase-calls.ts";
import { startRelay, type TestRelay } from "../../harness/relay.ts";
import { admin, endOf, mintKey, registerInstance } from "../../harness/relay-client.ts";
import { SOON } from "../../harness/waiting.ts";

type Operation = {
  id: string;
  state: string;
  steps: { name: string; state: string; detail?: string }[];
  error: { code: string; message: string; hint: string } | null;
  result: Record<string, unknown> | null;
};

let relay: TestRelay;
beforeAll(async () => {
  relay = await startRelay();
});
afterAll(() => relay?.stop());

/** For an event of a real server that restarts meanwhile. */
const EVENT = { timeout: 20_000, interval: 200 };

/** What the tests do with one registered server. */
function through(instance: string) {
  const ask = (path: string, method = "GET", body?: unknown, headers = {}) =>
    admin(relay, path, { method, body, instance, headers });
  const read = async <T>(answer: Response): Promise<T> => (await answer.json()) as T;
  const ended = ({ id }: { id: string }) => endOf<Operation>(relay, id, instance);
  return {
    ask,
    ended,
    async started(path: string, body: unknown = {}): Promise<Operation> {
      const answer = await ask(path, "POST", body);
      const operation = await read<Operation>(answer);
      // The answer stands beside its status, so that a refusal tells its reason here.
      expect([answer.status, operation]).toEqual([202, expect.objectContaining({ id: expect.any(String) })]);
      expect(answer.headers.get("retry-after")).toBe("2");
      expect(answer.headers.get("location")).toBe(`/v1/operations/${operation.id}`);
      return operation;
    },
    async told(): Promise<string[]> {
      const { items } = await read<{ items: { type: string; data: { backup?: { key: string } } }[] }>(
        await ask("/v1/events?limit=200"),
      );
      return items.map(({ type, data }) => (data.backup ? `${type} ${data.backup.key}` : type));
    },
  };
}

const versions = ["0.40.6", "0.39.11"];
const nameOf = (what: string, version: string) => `${what}-${version.replaceAll(".", "-")}`;

async function served(version: string, what: string, options: { hooksDir?: string } = {}) {
  const server = await startPocketBase({ version, ...options });
  const instance = nameOf(what, version);
  await registerInstance(relay, server, { name: instance, verify: false });
  return { server, instance, backups: join(server.dataDir, "backups"), ...through(instance) };
}

/** A registered server with a collection, as long as `play` needs it. */
async function withNotes(
  version: string,
  what: string,
  play: (own: Awaited<ReturnType<typeof served>>, notes: ReturnType<typeof notesOf>) => Promise<void>,
) {
  const own = await served(version, what);
  try {
    const fields = [{ name: "text", type: "text" }];
    const made = await call(own.server, "POST", "/api/collections", { name: "notes", type: "base", fields });
    expect(made.status).toBe(200);
    await play(own, notesOf(own.server));
  } finally {
    await own.server.stop();
  }
}

const notesOf = (server: TestPocketBase) => ({
  async add(text: string) {
    expect((await call(server, "POST", "/api/collections/notes/records", { text })).status).toBe(200);
  },
  async all() {
    const answer = await call(server, "GET", "/api/collections/notes/records?sort=text");
    return ((await answer.json()) as { items: { text: string }[] }).items.map(({ text }) => text);
  },
});

async function canaries(server: TestPocketBase): Promise<number> {
  const answer = await call(server, "GET", '/api/collections/_authOrigins/records?filter=fingerprint~"relay-"');
  return ((await answer.json()) as { totalItems: number }).totalItems;
}

describe.concurrent.each(versions)("a restore on PocketBase %s", (version) => {
  it("puts its records in place, undo brings the others back, and neither leaves a canary", () =>
    withNotes(version, "undone", async (own, notes) => {
      await notes.add("before");
      const once = (name: string) => own.ask("/v1/backups", "POST", { name }, { "idempotency-key": '"nightly 1"' });
      const [first, second] = [await once("a.zip"), await once("a.zip")];
      const made = (await first.json()) as Operation;
      // Quick servers are done by then, and the second is a replay already.
      expect([202, 409]).toContain(second.status);
      expect(second.headers.get("location")).toBe(`/v1/operations/${made.id}`);
      expect(await own.ended(made)).toMatchObject({ state: "succeeded" });
      const replayed = await once("a.zip");
      expect([replayed.status, replayed.headers.get("location")]).toEqual([202, `/v1/operations/${made.id}`]);
      expect(await replayed.json()).toEqual(made);
      expect((await once("b.zip")).status).toBe(422);
      expect(
        (await own.ask("/v1/keys", "POST", { name: "x", preset: "robot" }, { "idempotency-key": "k" })).status,
      ).toBe(400);
      await notes.add("between");
      const asked = await own.started("/v1/backups/a.zip/restore");
      const claims = async (path: string, method: string, body?: unknown) => (await own.ask(path, method, body)).status;
      await vi.waitUntil(async () => {
        const { steps } = (await (await own.ask(`/v1/operations/${asked.id}`)).json()) as Operation;
        return steps.some(({ name }) => name === "sent");
      }, SOON);
      // The server's first second, in which a swapped file would be the one it restores (SECURITY 16).
      expect(await claims("/v1/backups/a.zip", "DELETE")).toBe(400);
      expect(await claims("/api/backups/a.zip", "DELETE")).toBe(400);
      const put = await fetch(`${relay.url}/v1/backups/a.zip`, {
        method: "PUT",
        headers: { authorization: `Bearer ${relay.adminToken}`, "relay-instance": own.instance },
        body: new Uint8Array(await readFile(join(own.backups, "a.zip"))),
      });
      expect(put.status).toBe(409);
      const done = await own.ended(asked);
      expect(done).toMatchObject({ state: "succeeded", result: { evidence: "canary" } });
      expect(await notes.all()).toEqual(["before"]);
      expect((await own.ask(`/v1/operations/${asked.id}/outcome`)).status).toBe(204);

      const undone = await own.ended(await own.started(`/v1/operations/${asked.id}/undo`));
      expect(undone).toMatchObject({ state: "succeeded", result: { evidence: "canary" } });
      expect(await notes.all()).toEqual(["before", "between"]);
      expect(await canaries(own.server)).toBe(0);
      const again = await own.ask(`/v1/operations/${asked.id}/undo`, "POST");
      expect(again.status).toBe(409);
    }));

  it("of what would harm the server is refused before anything is done (SECURITY 17)", () =>
    withNotes(version, "refused", async (own) => {
      const whole = await makeBackup(own.server);
      const sound = { name: "data.db", data: database() };
      const harmful: [string, Uint8Array][] = [
        ["no-database.zip", zip([{ name: "types.d.ts", data: "//" }])],
        ["nested-database.zip", zip([{ name: "pb_data/data.db", data: database() }])],
        ["not-sqlite.zip", zip([{ name: "data.db", data: "SQL it is not, however long this is".repeat(500) }])],
        ["zero-bytes.zip", zip([{ name: "data.db", data: "" }])],
        ["too-few-pages.zip", zip([{ name: "data.db", data: database({ pages: 3, stated: 9 }) }])],
        ["two-databases.zip", zip([sound, sound])],
        ["two-cases.zip", zip([sound, { ...sound, name: "DATA.db" }])],
        ["truncated.zip", whole.slice(0, whole.length - 40)],
        ["zip-slip.zip", zip([sound, { name: "../../evil.txt", data: "x" }])],
        ["absolute.zip", zip([sound, { name: "/etc/evil.txt", data: "x" }])],
        ["not-a-zip.zip", new Uint8Array(Buffer.from("PK\u0003\u0004 and nothing else"))],
      ];
      await mkdir(own.backups, { recursive: true });
      for (const [name, bytes] of harmful) await writeFile(join(own.backups, name), bytes);
      const key = await mintKey(relay, { preset: "operator" }, own.instance);
      for (const [name] of harmful) {
        const dry = await own.ask(`/v1/backups/${name}/restore`, "POST", { dryRun: true });
        const preflight = (await dry.json()) as {
          ok: boolean;
          checks: { ok: boolean; severity: string; message: string }[];
        };
        expect([name, dry.status, preflight.ok]).toEqual([name, 200, false]);
        const reason = preflight.checks.find(({ ok, severity }) => !ok && severity === "refuse")!.message;
        const done = await own.ended(await own.started(`/v1/backups/${name}/restore`));
        expect(done).toMatchObject({ state: "failed", error: { code: "preflight_refused", hint: reason } });
        expect(done.steps.map(({ name, state }) => `${name} ${state}`)).toEqual(["preflight failed"]);
        const dropIn = await fetch(`${relay.url}/api/backups/${name}/restore`, {
          method: "POST",
          headers: { authorization: key.key },
        });
        // What is refused does not use up the one restore a day that the preset's quota admits.
        expect([name, dropIn.status]).toEqual([name, 400]);
        expect(await dropIn.json()).toMatchObject({ code: "preflight_refused", data: {}, status: 400 });
      }
      const logged = await call(own.server, "GET", '/api/logs?filter=message="Failed%20to%20restore%20backup"');
      expect(((await logged.json()) as { totalItems: number }).totalItems).toBe(0);
      expect(await canaries(own.server)).toBe(0);
    }));

  it("through /api is 204 once the preflight is over and done soon after; a missing one is PocketBase's 400", () =>
    withNotes(version, "drop-in", async (own, notes) => {
      const key = await mintKey(relay, {}, own.instance);
      const restored = (name: string) =>
        fetch(`${relay.url}/api/backups/${name}/restore`, { method: "POST", headers: { authorization: key.key } });
      const missing = await restored("missing.zip");
      expect([missing.status, await missing.json()]).toMatchObject([
        400,
        { message: "Missing or invalid backup file." },
      ]);
      await makeBackup(own.server);
      await notes.add("late");
      const careful = await mintKey(
        relay,
        { scopes: ["backups:restore"], approval: ["backups:restore"] },
        own.instance,
      );
      const waiting = await fetch(`${relay.url}/api/backups/made.zip/restore`, {
        method: "POST",
        headers: { authorization: careful.key },
      });
      expect([waiting.status, ((await waiting.json()) as { code: string }).code]).toEqual([403, "approval_required"]);
      const accepted = await restored("made.zip");
      expect([accepted.status, await accepted.text()]).toEqual([204, ""]);
      const busy = await restored("made.zip");
      expect([busy.status, await busy.json()]).toMatchObject([
        400,
        { message: "Try again later - another backup/restore process has already been started." },
      ]);
      await vi.waitUntil(async () => (await own.told()).includes("restore.completed made.zip"), EVENT);
      expect(await notes.all()).not.toContain("late");
    }));
});

describe.concurrent.each(versions)("a restore that goes another way on PocketBase %s", (version) => {
  it("fails with the server's reason when a checksum deep inside is wrong", async () => {
    const own = await served(version, "damaged");
    try {
      const noise = crypto.getRandomValues(new Uint8Array(200_000).subarray(0, 65_536));
      await mkdir(join(own.server.dataDir, "storage"), { recursive: true });
      await writeFile(join(own.server.dataDir, "storage", "noise.bin"), noise);
      const bytes = await makeBackup(own.server);
      const inside = Buffer.from(bytes).indexOf(Buffer.from(noise.slice(1_000, 1_032)));
      const at = inside > 0 ? inside : bytes.length - 30_000;
      bytes[at]! ^= 0xff;
      await writeFile(join(own.backups, "damaged.zip"), bytes);
      const done = await own.ended(await own.started("/v1/backups/damaged.zip/restore"));
      expect(done).toMatchObject({
        state: "failed",
        error: { code: "restore_failed" },
        result: { evidence: "canary" },
      });
      expect(done.error?.message).toContain("The archive is damaged inside.");
      expect(await canaries(own.server)).toBe(0);
      expect((await own.ask(`/v1/operations/${done.id}/outcome`)).status).toBe(422);
    } finally {
      await own.server.stop();
    }
  });

  it("is not begun when the server cannot make the safety backup; the causes are those in its log", async () => {
    const hooksDir = await mkdtemp(join(tmpdir(), "relay-hooks-"));
    const refusing = `onBackupCreate((e) => {
      if (e.name.startsWith("kept")) return e.next();
      throw new Error("write: no space left on device");
    });
    onBackupRestore(() => {
      throw new Error("rename /srv/pb_data/storage /srv/old: device or resource busy");
    });`;
    await writeFile(join(hooksDir, "refusing.pb.js"), refusing);
    const own = await served(version, "full", { hooksDir });
    try {
      expect(await own.ended(await own.started("/v1/backups", { name: "kept.zip" }))).toMatchObject({
        state: "succeeded",
      });
      const created = await own.ended(await own.started("/v1/backups", { name: "full.zip" }));
      expect(created).toMatchObject({
        state: "failed",
        error: { code: "create_failed", hint: expect.stringMatching(/^The server's disk is full\. Free/) },
      });
      const restored = await own.ended(await own.started("/v1/backups/kept.zip/restore"));
      expect(restored).toMatchObject({ state: "failed", error: { code: "safety_backup_failed" } });
      expect(restored.steps.map(({ name, state }) => `${name} ${state}`)).toEqual(["preflight done", "safety failed"]);
      const mounted = await own.ended(await own.started("/v1/backups/kept.zip/restore", { safetyBackup: false }));
      expect(mounted).toMatchObject({ state: "failed", error: { code: "restore_failed" } });
      expect(mounted.error?.message).toContain("in use as a mount");
      expect(mounted.error?.hint).toContain("Mount the whole data folder");
      expect(JSON.stringify(mounted)).not.toContain("/srv");
    } finally {
      await own.server.stop();
      await rm(hooksDir, { recursive: true });
    }
  });

  it("completes with another server's backup, with the password that fits there too or without any", async () => {
    const same = await served(version, "same");
    const other = await startPocketBase({ version, password: same.server.password });
    const stranger = await startPocketBase({ version });
    try {
      await makeBackup(other);
      await makeBackup(stranger);
      await copyFile(join(other.dataDir, "backups", "made.zip"), await folder(same.backups, "other.zip"));
      await copyFile(join(stranger.dataDir, "backups", "made.zip"), join(same.backups, "stranger.zip"));
      const first = await same.ended(await same.started("/v1/backups/other.zip/restore"));
      expect(first).toMatchObject({ state: "succeeded", result: { evidence: "canary" } });
      const second = await same.ended(await same.started("/v1/backups/stranger.zip/restore"));
      expect(second).toMatchObject({ state: "succeeded", result: { evidence: "dead_token" } });
      await vi.waitUntil(async () => (await same.told()).includes("instance.unauthorized"), EVENT);
      expect((await same.told()).filter((line) => line.startsWith("restore."))).toEqual([
        "restore.accepted other.zip",
        "restore.completed other.zip",
        "restore.accepted stranger.zip",
        "restore.completed stranger.zip",
      ]);
      // Whoever holds the other server's password can go on.
      const { email, password } = stranger;
      const entered = await admin(relay, `/v1/instances/${same.instance}`, {
        method: "PATCH",
        body: { credential: { email, password } },
      });
      expect(entered.status).toBe(200);
    } finally {
      for (const server of [same.server, other, stranger]) await server.stop();
    }
  });
});

async function folder(path: string, name: string): Promise<string> {
  await mkdir(path, { recursive: true });
  return join(path, name);
}
