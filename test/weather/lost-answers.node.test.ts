import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { ProblemCode } from "../../src/base/problems.ts";
import { generated, sha256Of, wholeOf } from "../harness/fake/content.ts";
import type { Fault } from "../harness/fake/faults.ts";
import { startPocketBase, type TestPocketBase } from "../harness/pocketbase.ts";
import { type MintedKey, mintKey, registerInstance } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";
import { type Action, type Front, KEPT, uploaded } from "../harness/weather/front.ts";
import { relayWithFronts } from "../harness/weather/fronts.ts";
import { expectRefusal } from "../harness/weather/refusal.ts";

const weather = relayWithFronts();
const { openFront } = weather;

const names = ({ server }: Front) => [...server.fake.world.backups.keys()].sort();

type Lost = {
  action: "create" | "delete" | "upload" | "put";
  faults: Fault[];
  /** The work goes on for so long after the answer was lost. */
  workMs?: number;
  s3?: boolean;
  answer: ProblemCode | "done";
  /** Whether the backup the call is about is there afterwards. */
  there: boolean;
};

const lost: Record<string, Lost> = {
  "a create cut by a 524 that goes on and succeeds": {
    action: "create",
    faults: [{ kind: "html", status: 524, worked: true, on: "create" }],
    workMs: 4_000,
    answer: "done",
    there: true,
  },
  "a create reset in the middle that goes on and succeeds": {
    action: "create",
    faults: [{ kind: "reset", worked: true, on: "create" }],
    workMs: 4_000,
    answer: "done",
    there: true,
  },
  "a create on S3 that is listed late": {
    action: "create",
    faults: [
      { kind: "reset", worked: true, on: "create" },
      { kind: "listLag", ms: 3_000, on: "list" },
    ],
    s3: true,
    answer: "done",
    there: true,
  },
  "a create reset before it began": {
    action: "create",
    faults: [{ kind: "reset", on: "create" }],
    answer: "create_lost",
    there: false,
  },
  "a create whose server answers nothing for a while": {
    action: "create",
    faults: [
      { kind: "reset", worked: true, on: "create" },
      { kind: "down", on: ["list", "health"], after: 1, times: 6 },
    ],
    answer: "done",
    there: true,
  },
  "a create answered 204 that made nothing": {
    action: "create",
    faults: [{ kind: "hollowCreate" }],
    answer: "create_vanished",
    there: false,
  },
  "a create that failed after its file was stored": {
    action: "create",
    faults: [{ kind: "failedCreate", stored: true }],
    answer: "done",
    there: true,
  },
  "a create told that its name exists, by a server whose S3 is down": {
    action: "create",
    faults: [{ kind: "s3Down", on: "create" }],
    answer: "upstream_storage_failed",
    there: false,
  },
  "a deletion cut by a 524 that was done": {
    action: "delete",
    faults: [{ kind: "html", status: 524, worked: true, on: "delete" }],
    answer: "done",
    there: false,
  },
  "a deletion reset after it was done": {
    action: "delete",
    faults: [{ kind: "reset", worked: true, on: "delete" }],
    answer: "done",
    there: false,
  },
  "a deletion that S3 did not do": {
    action: "delete",
    faults: [{ kind: "s3Down", on: "delete" }],
    answer: "backup_deleted",
    there: true,
  },
  "an upload cut by a 524 that was stored": {
    action: "upload",
    faults: [{ kind: "html", status: 524, worked: true, on: "upload" }],
    answer: "done",
    there: true,
  },
  "a bare upload reset after it was stored": {
    action: "put",
    faults: [{ kind: "reset", worked: true, on: "upload" }],
    answer: "done",
    there: true,
  },
};

describe.concurrent("an answer that is lost or untrue", () => {
  for (const [index, [what, { action, faults, workMs, s3, answer, there }]] of Object.entries(lost).entries()) {
    it(`${what}: the list decides, and nothing is sent twice`, async () => {
      const front = await openFront(`lost-${index}`, { s3: s3 ?? false, pace: { create: workMs ?? 0 } });
      front.server.fake.faults.add(...faults);
      const backup = action === "delete" ? KEPT : "new.zip";
      const outcome = await front.act(action, backup);
      if (answer === "done") expect(outcome.status).toBe(action === "put" ? 201 : 204);
      else expectRefusal(front, outcome, answer);
      expect(front.asked(action === "put" ? "upload" : action)).toBe(1);
      expect(names(front)).toEqual([...(action === "delete" ? [] : [KEPT]), ...(there ? [backup] : [])]);
      front.server.fake.faults.clear();
      expect(JSON.parse((await front.act("list")).text).map(({ key }: { key: string }) => key)).toEqual(names(front));
    });
  }

  it("a restore cut by a 524 that was done: its operation succeeds", async () => {
    const front = await openFront("restored");
    front.server.fake.faults.add({ kind: "html", status: 524, worked: true, on: "restore" });
    expect((await front.act("restore")).status).toBe(204);
    expect((await front.operations())[0]).toMatchObject({ state: "succeeded" });
    expect(front.asked("restore")).toBe(1);
  });

  it("a scratch file that a dead create left behind delays nobody for ever", async () => {
    const front = await openFront("stranded");
    front.server.fake.faults.add({ kind: "reset", on: "create" });
    await front.server.fake.put("new.zip.18ea85040c3adb89.tmp", uploaded);
    expectRefusal(front, await front.act("create", "new.zip"), "create_lost");
  });

  it("a file that went or was replaced after it was listed is told, or served as it is now", async () => {
    for (const s3 of [false, true]) {
      const front = await openFront(`went-${s3 ? "s3" : "disk"}`, { s3 });
      const { fake } = front.server;
      for (const action of ["download", "head", "delete", "restore", "dryRun"] as Action[]) {
        await fake.make(KEPT, Date.now() - 50_000);
        await front.act("list");
        fake.remove(KEPT);
        const outcome = await front.act(action);
        if (action === "download") expectRefusal(front, outcome, "backup_not_found");
        if (action === "head") expect(outcome.status).toBe(404);
        // On S3 the server deletes what is not there.
        if (action === "delete" && !s3) expectRefusal(front, outcome, "backup_deleted");
        if (action === "restore") expectRefusal(front, outcome, "preflight_refused");
        if (action === "dryRun") expect(JSON.parse(outcome.text)).toMatchObject({ ok: false });
      }
      await fake.put(KEPT, uploaded, Date.now() - 50_000);
      await front.act("list");
      const replaced = generated(42, 80_000);
      await fake.put(KEPT, replaced, Date.now() - 40_000);
      expect(await front.act("download")).toMatchObject({
        status: 200,
        text: Buffer.from(wholeOf(replaced)).toString("latin1"),
      });
    }
  });

  it("a file replaced between two ranges is sent whole to who names the version, so that no two are joined", async () => {
    for (const size of [uploaded.size, uploaded.size + 1000]) {
      const front = await openFront(`ranges-${size}`);
      await front.server.fake.put(KEPT, uploaded, Date.now() - 50_000);
      const ask = (headers: Record<string, string>) =>
        fetch(`${weather.relay.url}/api/backups/${KEPT}`, { headers: { authorization: front.key.key, ...headers } });
      const first = await ask({ range: "bytes=0-999" });
      expect([first.status, (await first.arrayBuffer()).byteLength]).toEqual([206, 1000]);
      const replaced = generated(44, size);
      await front.server.fake.put(KEPT, replaced, Date.now() - 40_000);
      const second = await ask({ range: "bytes=1000-", "if-range": first.headers.get("last-modified")! });
      expect(second.status).toBe(200);
      expect(Buffer.from(await second.arrayBuffer()).equals(Buffer.from(wholeOf(replaced)))).toBe(true);
    }
  });

  it("a backup replaced between two looks of a restore is not restored", async () => {
    const front = await openFront("replaced");
    front.server.fake.faults.add({ kind: "swap", on: "download", after: 2, times: 1 });
    expect((await front.act("restore")).status).toBe(204);
    expect((await front.operations())[0]).toMatchObject({ state: "failed", error: { code: "approval_changed" } });
    expect(front.asked("restore")).toBe(0);
  });
});

const HOOK = `onBackupCreate((e) => {
  sleep(60000);
  e.next();
});
`;

describe.concurrent("a real server that restarts", () => {
  const large = generated(43, 96 << 20);
  let folder: string;
  let server: TestPocketBase;
  let key: MintedKey;
  const begin = (port?: number): Promise<TestPocketBase> =>
    startPocketBase({
      dataDir: join(folder, "pb_data"),
      hooksDir: join(folder, "hooks"),
      password: "a password that stays",
      ...(port ? { port } : {}),
    });
  const asked = (path: string, init: RequestInit = {}) =>
    fetch(weather.relay.url + path, { ...init, headers: { authorization: key.key, ...(init.headers as object) } });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "relay-restart-"));
    await mkdir(join(folder, "hooks"));
    await writeFile(join(folder, "hooks", "slow.pb.js"), HOOK);
    server = await begin();
    await mkdir(join(folder, "pb_data", "backups"), { recursive: true });
    await writeFile(join(folder, "pb_data", "backups", "large.zip"), wholeOf(large));
    await registerInstance(weather.relay, server, { name: "real" });
    key = await mintKey(weather.relay, {}, "real");
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("is waited for by the download, missed by the list, and has not made the backup it was killed over", async () => {
    const creating = asked("/api/backups", {
      method: "POST",
      body: JSON.stringify({ name: "never.zip" }),
      headers: { "content-type": "application/json" },
    });
    const download = await asked("/api/backups/large.zip");
    const hash = createHash("sha256");
    const reader = download.body!.getReader();
    hash.update((await reader.read()).value!);
    const making = async () => {
      const { data } = (await (await asked("/api/health")).json()) as { data: { canBackup: boolean } };
      return !data.canBackup;
    };
    await vi.waitUntil(making, SOON);
    await server.kill();
    const away = await asked("/api/backups");
    expect(away.status).toBe(503);
    expect(Number(away.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await away.json()).toMatchObject({ code: "upstream_unreachable" });

    server = await begin(Number(new URL(server.url).port));
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      hash.update(value);
    }
    expect(hash.digest("hex")).toBe(sha256Of(large));
    const created = await creating;
    expect(created.status).toBe(400);
    expect(await created.json()).toMatchObject({ code: "create_lost" });
    const listed = (await (await asked("/api/backups")).json()) as { key: string }[];
    expect(listed.map((backup) => backup.key)).toEqual(["large.zip"]);
  });
});
