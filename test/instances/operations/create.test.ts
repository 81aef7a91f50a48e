import { describe, expect, it, vi } from "vitest";
import { KEPT_EVENTS, Ledger } from "../../../src/instances/ledger/store.ts";
import type { Operation } from "../../../src/operations/operation.ts";
import { isRestore } from "../../../src/operations/restore-data.ts";
import type { Fault } from "../../harness/fake/faults.ts";
import { create, onStage, remove, restore, restoreData, type Stage, T0 } from "../../harness/instance-parts.ts";

const ends = ({ state, error }: Operation) => (error ? `${state} ${error.code}` : state);

describe("a create ends in what really happened, and is sent once", () => {
  const made = ["backup.created a.zip", "backup.verified a.zip"];
  const cases: [string, { faults?: Fault[]; s3?: boolean; pace?: { create: number } }, string, string[]][] = [
    ["without a fault", {}, "succeeded", made],
    [
      "a proxy's 524 while the server works on",
      { faults: [{ kind: "html", status: 524, worked: true }], pace: { create: 150_000 } },
      "succeeded",
      made,
    ],
    ["a proxy's 524 and nothing", { faults: [{ kind: "html", status: 524 }] }, "failed create_lost", ["backup.failed"]],
    [
      "a reset in the middle of the work",
      { faults: [{ kind: "reset", worked: true }], pace: { create: 8_000 } },
      "succeeded",
      made,
    ],
    ["a reset before it", { faults: [{ kind: "reset" }] }, "failed create_lost", ["backup.failed"]],
    ["204 without a file", { faults: [{ kind: "hollowCreate" }] }, "failed create_vanished", ["backup.failed"]],
    [
      "400 although a hook left the file there",
      { faults: [{ kind: "failedCreate", stored: true }] },
      "succeeded",
      made,
    ],
    ["a lagging S3 list", { s3: true, faults: [{ kind: "listLag", ms: 12_000, on: "list" }] }, "succeeded", made],
    [
      "a store that cannot be reached",
      { faults: [{ kind: "s3Down", on: "create" }] },
      "failed upstream_storage_failed",
      ["backup.failed"],
    ],
  ];
  it.each(cases)("%s", async (_case, { faults = [], ...options }, end, events) => {
    await onStage(options, async (stage) => {
      stage.fake.faults.add(...faults.map((fault) => ({ on: "create" as const, ...fault })));
      const key = stage.key({ name: "nightly" });
      const asked = await stage.ask(create("a.zip"), key);
      const ended = await stage.ended(asked);
      expect(ends(ended)).toBe(end);
      await stage.pass(1_200_000);
      expect(stage.told()).toEqual(events);
      expect(stage.calls("create")).toBe(1);
      const [first] = stage.events();
      expect(first?.data).toMatchObject({ operation: ended.id, actor: { kind: "key", id: key.id, name: "nightly" } });
    });
  });

  it("tells the reason that the server's log gives", async () => {
    await onStage({}, async (stage) => {
      stage.fake.faults.add({
        kind: "failedCreate",
        on: "create",
        details: "write /srv/pb/pb_data/.pb_temp_to_delete/x: no space left on device",
      });
      const ended = await stage.ended(await stage.ask(create("a.zip")));
      expect(ended.error).toMatchObject({
        code: "create_failed",
        hint: expect.stringMatching(/^The server's disk is full\. Free/),
      });
    });
  });

  it("is told that the server is busy by a lock it did not take", async () => {
    await onStage({}, async (stage) => {
      stage.fake.world.lock = "";
      expect(ends(await stage.ended(await stage.ask(create("a.zip"))))).toBe("failed upstream_busy");
      stage.fake.world.lock = null;
      await stage.pass(600_000);
      expect(stage.told()).toEqual(["backup.failed"]);
    });
  });

  it("and an upload is told as the caller's, found by looking like everything else", async () => {
    await onStage({}, async (stage) => {
      const key = stage.key({ name: "uploader" });
      await stage.ask({ do: "upload.reserve", name: "up.zip", size: 10, strict: false }, key);
      await stage.fake.make("up.zip");
      await stage.pass(300_000);
      expect(stage.told()).toEqual(["backup.created up.zip", "backup.verified up.zip"]);
      expect(stage.events()[0]?.data.actor).toEqual({ kind: "key", id: key.id, name: "uploader" });
      const page = () => stage.ask({ do: "backups.page", limit: 9, cursor: null, sort: "-modified" });
      expect((await page()).items).toMatchObject([{ key: "up.zip", actor: { name: "uploader" }, operation: null }]);
      const preflight = await stage.ask({ do: "backups.preflight", key: "up.zip" });
      expect(preflight.madeBy).toEqual({ kind: "key", id: key.id, name: "uploader" });
      // Another file of that name is nobody's until the ledger tells whose it is.
      await stage.fake.make("up.zip");
      expect((await page()).items).toMatchObject([{ actor: null }]);
      expect((await stage.ask({ do: "backups.preflight", key: "up.zip" })).madeBy).toEqual({ kind: "unknown" });
      const made = await stage.ended(await stage.ask(create("own.zip"), key));
      expect((await page()).items[0]).toMatchObject({ key: "own.zip", operation: made.id, verified: "ok" });
      expect((await stage.ask({ do: "backups.preflight", key: "own.zip" })).madeBy).toEqual({ kind: "server" });
    });
  });

  it("runs one after the other in the order of asking, tells the place, and refuses the twenty-second", async () => {
    await onStage({ pace: { create: 3_000 } }, async (stage) => {
      const names = Array.from({ length: 21 }, (_, at) => `n${at}.zip`);
      const asked: Operation[] = [];
      for (const name of names) asked.push(await stage.ask(create(name)));
      expect(await stage.refusal(create("full.zip"))).toBe("queue_full");
      const { items } = await stage.ask({ do: "operations.list", limit: 50, cursor: null, state: null, kind: null });
      expect(items.map(({ ahead }) => ahead)).toEqual(names.map((_, at) => 20 - at));
      expect(await stage.ask({ do: "operations.cancel", id: asked[5]!.id })).toMatchObject({ state: "canceled" });
      await stage.ended(asked[20]!);
      const created = stage.told().filter((line) => line.startsWith("backup.created"));
      expect(created).toEqual(names.filter((_, at) => at !== 5).map((name) => `backup.created ${name}`));
    });
  });
});

describe("a delete ends in what really happened", () => {
  const cases: [string, Fault[], string, string[]][] = [
    ["without a fault", [], "succeeded", ["backup.deleted a.zip"]],
    ["an answer lost after it", [{ kind: "reset", worked: true, on: "delete" }], "succeeded", ["backup.deleted a.zip"]],
    ["an answer lost before it", [{ kind: "reset", on: "delete" }], "failed delete_lost", []],
    [
      "an answer lost before it, and lists that flap",
      [{ kind: "reset", on: "delete" }, { kind: "flapping" }],
      "unknown delete_unsettled",
      [],
    ],
  ];
  it.each(cases)("%s", async (_case, faults, end, events) => {
    await onStage({ seen: false }, async (stage) => {
      await stage.fake.make("a.zip", T0 - 60_000);
      await stage.pass(1_000);
      stage.fake.faults.add(...faults);
      // Every other list is empty: with the observer's in between, the delete would get the same answer each time.
      if (faults.some(({ kind }) => kind === "flapping"))
        vi.spyOn(stage.parts.looks, "due").mockReturnValue(Number.POSITIVE_INFINITY);
      const ended = await stage.ended(await stage.ask(remove("a.zip")));
      vi.restoreAllMocks();
      expect(ends(ended)).toBe(end);
      await stage.pass(600_000);
      expect(stage.told()).toEqual(events);
      for (const { data } of stage.events()) expect(data).toMatchObject({ reason: "request", operation: ended.id });
      expect(stage.calls("delete")).toBe(1);
    });
  });
});

describe("while a restore runs", () => {
  it("creates wait, and what it needs is neither deleted nor replaced (SECURITY 16)", async () => {
    await onStage({ seen: false }, async (stage) => {
      await stage.fake.make("a.zip", T0 - 60_000);
      await stage.fake.make("other.zip", T0 - 60_000);
      await stage.pass(1_000);
      const asked = await stage.ask(restore("a.zip"));
      const safety = restoreData(stage.parts.operations.rows.read(asked.id)!).safetyKey;
      const later = await stage.ask(create("later.zip"));
      await stage.reached(asked, "sent");
      const upload = (name: string) => ({ do: "upload.reserve" as const, name, size: 10, strict: false });
      expect(await stage.refusal(remove("a.zip"))).toBe("backup_in_use");
      expect(await stage.refusal(remove(safety))).toBe("backup_in_use");
      expect(await stage.refusal(upload("a.zip"))).toBe("upload_reserved");
      expect(await stage.refusal(upload(safety))).toBe("upload_reserved");
      expect(await stage.refusal({ ...create("drop-in.zip"), surface: "api" })).toBe("upstream_busy");
      expect(await stage.refusal({ ...restore("other.zip"), surface: "api" })).toBe("upstream_busy");
      expect(stage.parts.operations.rows.read(later.id)?.state).toBe("queued");
      expect((await stage.ended(asked)).state).toBe("succeeded");
      expect((await stage.ended(later)).state).toBe("succeeded");
      // SECURITY 19: the way back stays for a day.
      expect(await stage.refusal(remove(safety))).toBe("backup_in_use");
      await stage.pass(24 * 3_600_000);
      expect(await stage.refusal(remove(safety))).toBe("admitted");
    });
  });

  it("a file swapped in just before the request is not restored", async () => {
    await onStage({ seen: false }, async (stage) => {
      await stage.fake.make("a.zip", T0 - 60_000);
      await stage.pass(1_000);
      const asked = await stage.ask(restore("a.zip"));
      await stage.reached(asked, "safety");
      await stage.fake.make("a.zip", T0 - 60_000);
      const ended = await stage.ended(asked);
      expect(ends(ended)).toBe("failed approval_changed");
      expect(stage.calls("restore")).toBe(0);
      expect([...stage.fake.world.canaries]).toEqual([]);
    });
  });

  it("can be canceled until the request is sent, and leaves no canary", async () => {
    const heldAt = async (stage: Stage, call: "canary" | "restore") => {
      await stage.fake.make("a.zip", T0 - 60_000);
      await stage.pass(1_000);
      const held = stage.hold(call);
      const asked = await stage.ask(restore("a.zip"));
      return { asked, release: await held };
    };
    await onStage({ seen: false }, async (stage) => {
      const held = stage.hold("list");
      const early = await stage.ask(create("early.zip"));
      const lookOver = await held;
      await stage.ask({ do: "operations.cancel", id: early.id });
      stage.fake.faults.add({ kind: "down", on: "list", times: 1 });
      lookOver();
      expect((await stage.ended(early)).state).toBe("canceled");
      expect(stage.calls("create")).toBe(0);
    });
    await onStage({ seen: false }, async (stage) => {
      const { asked, release } = await heldAt(stage, "canary");
      expect(await stage.ask({ do: "operations.cancel", id: asked.id })).toMatchObject({ state: "canceled" });
      release();
      await stage.pass(600_000);
      expect(stage.calls("restore")).toBe(0);
      expect([...stage.fake.world.canaries]).toEqual([]);
    });
    await onStage({ seen: false }, async (stage) => {
      const { asked, release } = await heldAt(stage, "restore");
      expect(await stage.refusal({ do: "operations.cancel", id: asked.id })).toBe("operation_not_cancelable");
      release();
      expect((await stage.ended(asked)).state).toBe("succeeded");
    });
  });
});

describe("undo", () => {
  it("restores the safety backup of the newest restore, once bound to it, within a day", async () => {
    await onStage({ seen: false }, async (stage) => {
      const { fake } = stage;
      const undo = (id: string) => ({ ...restoreAsked, do: "operations.undo" as const, id });
      const restoreAsked = { waitSeconds: 0, surface: "v1" as const, idempotency: null };
      await fake.make("a.zip", T0 - 60_000);
      await stage.pass(1_000);
      const first = await stage.ended(await stage.ask(restore("a.zip")));
      const second = await stage.ended(await stage.ask(restore("a.zip")));
      expect(await stage.refusal(undo(first.id))).toBe("undo_unavailable");
      const undone = await stage.ended(await stage.ask(undo(second.id)));
      expect([undone.state, undone.target.key]).toEqual(["succeeded", restoreData(second).safetyKey]);
      const stored = fake.world.backups.get(restoreData(undone).safetyKey)!;
      fake.world.backups.set(restoreData(undone).safetyKey, { ...stored, modified: stored.modified + 5_000 });
      expect(await stage.refusal(undo(undone.id))).toBe("admitted");
      await stage.pass(60_000);
      const last = stage.parts.operations.rows.recent().filter(isRestore).at(-1)!;
      await fake.make(last.data.safetyKey, stage.time.now - 10_000);
      await stage.pass(60_000);
      expect(await stage.refusal(undo(last.id))).toBe("undo_unavailable");
    });
  });
});

describe("the ledger", () => {
  it("forgets its oldest events provably", async () => {
    await onStage({}, async ({ storage, time }) => {
      const ledger = new Ledger(
        storage.sql,
        () => time.now,
        (bytes) => new Uint8Array(bytes),
        () => "demo",
      );
      const draft = {
        type: "instance.reachable" as const,
        data: { since: new Date(T0).toISOString(), downSeconds: 1, actor: { kind: "relay" as const } },
      };
      for (let count = 0; count < KEPT_EVENTS * 1.2 + 1; count++) ledger.append([draft]);
      const verdict = ledger.verify();
      expect(verdict).toMatchObject({ ok: true, from: 4_002 });
      const { texts } = ledger.read(0, 1, ["*"], { everything: true });
      expect(JSON.parse(texts[0]!).seq).toBe(4_002);
      const [cut] = ledger.read(24_000, 5, ["ledger.cut"], { everything: true }).texts;
      const { data } = JSON.parse(cut!);
      expect(data).toMatchObject({ from: 1, through: 4_001 });
      expect(JSON.parse(texts[0]!).prev).toBe(data.digest);
    });
  });
});
