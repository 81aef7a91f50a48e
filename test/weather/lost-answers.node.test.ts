import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProblemCode } from "../../src/base/problems.ts";
import { generated, sha256Of, wholeOf } from "../harness/fake/content.ts";
import type { Fault } from "../harness/fake/faults.ts";
import { startPocketBase, type TestPocketBase } from "../harness/pocketbase.ts";
import { type MintedKey, mintKey, registerInstance } from "../harness/relay-client.ts";
import { type ChangeKind, type Front, KEPT, until, uploaded } from "../harness/weather/front.ts";
import { weatherStage } from "../harness/weather/fronts.ts";
import { expectTold } from "../harness/weather/refusal.ts";

const weather = weatherStage();
const { front } = weather;

const names = ({ server }: Front) => [...server.fake.world.backups.keys()].sort();

type Lost = {
  deed: "create" | "delete" | "upload" | "put";
  faults: Fault[];
  /** The work goes on for so long after the answer was lost. */
  workMs?: number;
  s3?: boolean;
  told: ProblemCode | "done";
  /** Whether the backup the call is about is there afterwards. */
  there: boolean;
};

const lost: Record<string, Lost> = {
  "a create cut by a 524 that goes on and succeeds": {
    deed: "create",
    faults: [{ kind: "html", status: 524, worked: true, on: "create" }],
    workMs: 4_000,
    told: "done",
    there: true,
  },
  "a create reset in the middle that goes on and succeeds": {
    deed: "create",
    faults: [{ kind: "reset", worked: true, on: "create" }],
    workMs: 4_000,
    told: "done",
    there: true,
  },
  "a create on S3 that is listed late": {
    deed: "create",
    faults: [
      { kind: "reset", worked: true, on: "create" },
      { kind: "listLag", ms: 3_000, on: "list" },
    ],
    s3: true,
    told: "done",
    there: true,
  },
  "a create reset before it began": {
    deed: "create",
    faults: [{ kind: "reset", on: "create" }],
    told: "create_lost",
    there: false,
  },
  "a create whose server answers nothing for a while": {
    deed: "create",
    faults: [
      { kind: "reset", worked: true, on: "create" },
      { kind: "down", on: ["list", "health"], after: 1, times: 6 },
    ],
    told: "done",
    there: true,
  },
  "a create answered 204 that made nothing": {
    deed: "create",
    faults: [{ kind: "hollowCreate" }],
    told: "create_vanished",
    there: false,
  },
  "a create that failed after its file was stored": {
    deed: "create",
    faults: [{ kind: "failedCreate", stored: true }],
    told: "done",
    there: true,
  },
  "a create told that its name exists, by a server whose S3 is down": {
    deed: "create",
    faults: [{ kind: "s3Down", on: "create" }],
    told: "upstream_storage_failed",
    there: false,
  },
  "a deletion cut by a 524 that was done": {
    deed: "delete",
    faults: [{ kind: "html", status: 524, worked: true, on: "delete" }],
    told: "done",
    there: false,
  },
  "a deletion reset after it was done": {
    deed: "delete",
    faults: [{ kind: "reset", worked: true, on: "delete" }],
    told: "done",
    there: false,
  },
  "a deletion that S3 did not do": {
    deed: "delete",
    faults: [{ kind: "s3Down", on: "delete" }],
    told: "backup_deleted",
    there: true,
  },
  "an upload cut by a 524 that was stored": {
    deed: "upload",
    faults: [{ kind: "html", status: 524, worked: true, on: "upload" }],
    told: "done",
    there: true,
  },
  "a bare upload reset after it was stored": {
    deed: "put",
    faults: [{ kind: "reset", worked: true, on: "upload" }],
    told: "done",
    there: true,
  },
};

describe.concurrent("an answer that is lost or untrue", () => {
  for (const [index, [what, { deed, faults, workMs, s3, told, there }]] of Object.entries(lost).entries()) {
    it(`${what}: the list decides, and nothing is sent twice`, async () => {
      const it = await front(`lost-${index}`, { s3: s3 ?? false, pace: { create: workMs ?? 0 } });
      it.server.fake.faults.add(...faults);
      const backup = deed === "delete" ? KEPT : "new.zip";
      const outcome = await it.act(deed, backup);
      if (told === "done") expect(outcome.status).toBe(deed === "put" ? 201 : 204);
      else expectTold(it, outcome, told);
      expect(it.asked(deed === "put" ? "upload" : deed)).toBe(1);
      expect(names(it)).toEqual([...(deed === "delete" ? [] : [KEPT]), ...(there ? [backup] : [])]);
      it.server.fake.faults.clear();
      expect(JSON.parse((await it.act("list")).text).map(({ key }: { key: string }) => key)).toEqual(names(it));
    });
  }

  it("a restore cut by a 524 that was done: its operation succeeds", async () => {
    const it = await front("restored");
    it.server.fake.faults.add({ kind: "html", status: 524, worked: true, on: "restore" });
    expect((await it.act("restore")).status).toBe(204);
    expect((await it.operations())[0]).toMatchObject({ state: "succeeded" });
    expect(it.asked("restore")).toBe(1);
  });

  it("a scratch file that a dead create left behind delays nobody for ever", async () => {
    const it = await front("stranded");
    it.server.fake.faults.add({ kind: "reset", on: "create" });
    await it.server.fake.put("new.zip.18ea85040c3adb89.tmp", uploaded);
    expectTold(it, await it.act("create", "new.zip"), "create_lost");
  });

  it("a file that went or was replaced after it was listed is told, or served as it is now", async () => {
    for (const s3 of [false, true]) {
      const it = await front(`went-${s3 ? "s3" : "disk"}`, { s3 });
      const { fake } = it.server;
      for (const deed of ["download", "head", "delete", "restore", "dryRun"] as ChangeKind[]) {
        await fake.make(KEPT, Date.now() - 50_000);
        await it.act("list");
        fake.remove(KEPT);
        const told = await it.act(deed);
        if (deed === "download") expectTold(it, told, "backup_not_found");
        if (deed === "head") expect(told.status).toBe(404);
        // On S3 the server deletes what is not there.
        if (deed === "delete" && !s3) expectTold(it, told, "backup_deleted");
        if (deed === "restore") expectTold(it, told, "preflight_refused");
        if (deed === "dryRun") expect(JSON.parse(told.text)).toMatchObject({ ok: false });
      }
      await fake.put(KEPT, uploaded, Date.now() - 50_000);
      await it.act("list");
      const replaced = generated(42, 80_000);
      await fake.put(KEPT, replaced, Date.now() - 40_000);
      expect(await it.act("download")).toMatchObject({
        status: 200,
        text: Buffer.from(wholeOf(replaced)).toString("latin1"),
      });
    }
  });

  it("a file replaced between two ranges is sent whole to who names the version, so that no two are joined", async () => {
    for (const size of [uploaded.size, uploaded.size + 1000]) {
      const it = await front(`ranges-${size}`);
      await it.server.fake.put(KEPT, uploaded, Date.now() - 50_000);
      const ask = (headers: Record<string, string>) =>
        fetch(`${weather.relay.url}/api/backups/${KEPT}`, { headers: { authorization: it.key.key, ...headers } });
      const first = await ask({ range: "bytes=0-999" });
      expect([first.status, (await first.arrayBuffer()).byteLength]).toEqual([206, 1000]);
      const replaced = generated(44, size);
      await it.server.fake.put(KEPT, replaced, Date.now() - 40_000);
      const second = await ask({ range: "bytes=1000-", "if-range": first.headers.get("last-modified")! });
      expect(second.status).toBe(200);
      expect(Buffer.from(await second.arrayBuffer()).equals(Buffer.from(wholeOf(replaced)))).toBe(true);
    }
  });

  it("a backup replaced between two looks of a restore is not restored", async () => {
    const it = await front("replaced");
    it.server.fake.faults.add({ kind: "swap", on: "download", after: 2, times: 1 });
    expect((await it.act("restore")).status).toBe(204);
    expect((await it.operations())[0]).toMatchObject({ state: "failed", error: { code: "approval_changed" } });
    expect(it.asked("restore")).toBe(0);
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
    expect(await until(making)).toBe(true);
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
