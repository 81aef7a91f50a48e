import { describe, expect, it } from "vitest";
import type { Operation } from "../../../src/operations/operation.ts";
import { restoreCleanUp } from "../../../src/operations/restore.ts";
import { watchRestore } from "../../../src/operations/restore-watch.ts";
import type { Fault } from "../../harness/fake/faults.ts";
import { onStage, remove, restore, restoreData, type Stage, T0 } from "../../harness/instance-parts.ts";

const undo = (id: string) => ({
  do: "operations.undo" as const,
  id,
  waitSeconds: 0,
  surface: "v1" as const,
  idempotency: null,
});

/** A server with one backup, which is restored first. */
async function afterRestore(play: (stage: Stage, done: Operation) => Promise<void>) {
  await onStage({ seen: false }, async (stage) => {
    await stage.fake.make("a.zip", T0 - 60_000);
    await stage.pass(1_000);
    const done = await stage.ended(await stage.ask(restore("a.zip")));
    expect(done.state).toBe("succeeded");
    await play(stage, done);
  });
}

describe("a look that failed is no fact", () => {
  it.each<[string, Fault, string]>([
    ["a server that is down", { kind: "down" }, "upstream_unreachable"],
    ["a server behind a proxy's page", { kind: "html", status: 502 }, "upstream_proxy_failed"],
    ["a server that refuses the credential", { kind: "deadToken" }, "upstream_unauthorized"],
    ["a server that does not tell whether it is idle", { kind: "down", on: "health" }, "upstream_unreachable"],
    ["a list that fails", { kind: "s3Down" }, "upstream_storage_failed"],
    ["bytes that cannot be read", { kind: "down", on: "download" }, "upstream_unreachable"],
  ])("undo says what was seen of %s", async (_case, fault, code) => {
    await afterRestore(async (stage, done) => {
      stage.fake.faults.add(fault);
      expect(await stage.refusal(undo(done.id))).toBe(code);
      stage.fake.faults.clear();
      await stage.pass(60_000);
      expect(await stage.refusal(undo(done.id))).toBe("admitted");
    });
  });

  it("undo believes two lists that lack the safety backup, not one", async () => {
    await afterRestore(async (stage, done) => {
      const { backups } = stage.fake.world;
      const { safetyKey } = restoreData(done);
      const safety = backups.get(safetyKey)!;
      backups.delete(safetyKey);
      expect(await stage.refusal(undo(done.id))).toBe("undo_unavailable");
      backups.set(safetyKey, safety);
      stage.fake.faults.add({ kind: "flapping", times: 1 });
      expect(await stage.refusal(undo(done.id))).toBe("admitted");
    });
  });

  it.each<[string, Fault, string]>([
    ["not told whether the server is idle", { kind: "down", on: "health" }, "upstream_unreachable"],
    ["not shown the archive's bytes", { kind: "down", on: "download" }, "upstream_unreachable"],
  ])("a restore that is %s fails for that reason, not as busy or invalid", async (_case, fault, code) => {
    await onStage({ seen: false, instance: { verify: false } }, async (stage) => {
      await stage.fake.make("a.zip", T0 - 60_000);
      await stage.pass(1_000);
      stage.fake.faults.add(fault);
      const ended = await stage.ended(await stage.ask(restore("a.zip")));
      expect([ended.state, ended.error?.code]).toEqual(["failed", code]);
    });
  });

  it("a safety backup that was made and could not be read is not said to be missing", async () => {
    await onStage({ seen: false, instance: { verify: false } }, async (stage) => {
      await stage.fake.make("a.zip", T0 - 60_000);
      await stage.pass(1_000);
      const asked = await stage.ask(restore("a.zip"));
      await stage.reached(asked, "safety");
      stage.fake.faults.add({ kind: "down", on: "download" });
      const ended = await stage.ended(asked);
      expect(ended.error?.code).toBe("safety_backup_failed");
      expect(ended.error?.message).toMatch(/was made, but could not be read .* nothing was restored/);
    });
  });

  it("a delete whose last looks failed is not settled by an earlier one", async () => {
    await onStage({ seen: false, instance: { verify: false } }, async (stage) => {
      await stage.fake.make("a.zip", T0 - 60_000);
      await stage.pass(1_000);
      stage.fake.faults.add({ kind: "reset", on: "delete" }, { kind: "down", on: "list", after: 1 });
      const asked = await stage.ask(remove("a.zip"));
      const ended = await stage.ended(asked);
      expect([ended.state, ended.error?.code]).toEqual(["unknown", "delete_unsettled"]);
    });
  });
});

describe("what a restore planted on the server", () => {
  const aRestore = (canary: { kind: "record"; id: string } | null) =>
    ({ kind: "restore", steps: [{ name: "canary", state: "done", at: 0 }], data: { nonce: "n", canary } }) as never;
  const planted = (ids: string[], superuser: boolean) => ({
    ids,
    api: {
      health: async () => (superuser ? { ok: true } : { ok: false }),
      findCanary: async () => ({ ok: true, value: superuser && ids[0] ? { id: ids[0] } : null }),
      removeCanary: async (id: string) => {
        if (superuser) ids.splice(ids.indexOf(id), 1);
        return { ok: true, value: null };
      },
    } as never,
  });

  it("is not taken for gone while the server takes the relay for a guest, to whom every record is missing", async () => {
    for (const canary of [{ kind: "record" as const, id: "first" }, null]) {
      const { api } = planted(["first"], false);
      expect(await restoreCleanUp.run(api, aRestore(canary))).toBe(null);
    }
  });

  it("is removed whole, also when a kill left a record beside the one that is known", async () => {
    const { api, ids } = planted(["first", "second"], true);
    expect(await restoreCleanUp.run(api, aRestore({ kind: "record", id: "second" }))).toMatchObject({
      cleanedUp: true,
    });
    expect(ids).toEqual([]);
  });
});

it("the credential before the present one is tried again when the server was away at the first try", async () => {
  let now = T0;
  const health = async () => ({ ok: false, error: { unauthorized: true, problem: { code: "upstream_unauthorized" } } });
  const answering = {
    health: async () => ({ ok: true, value: { idle: true } }),
    canaryPresent: async () => ({ ok: true, value: false }),
    restoresAccepted: async () => ({ ok: true, value: 0 }),
  };
  const tries = ["unseen", { api: answering }];
  const work = {
    api: { health, canaryPresent: async () => ({ ok: true, value: false }) },
    credential: { lasts: false },
    clock: () => now,
    sleep: async (ms: number) => {
      now += ms;
    },
    tryPreviousCredential: async () => tries.shift(),
  };
  const data = { sentAt: T0 - 5_000, canary: { kind: "record", id: "c" } };
  expect(await watchRestore(work as never, data as never)).toMatchObject({ outcome: { evidence: "canary" } });
});
