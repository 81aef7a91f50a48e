import { describe, expect, it } from "vitest";
import { create, onStage, remove, restore, T0 } from "../../harness/instance-parts.ts";

const approval = { approval: ["backups:restore" as const, "backups:delete" as const] };
const once = (key: string, fingerprint = "f1") => ({ idempotency: { key, fingerprint } });
const quotas = { "backups:create": 1, "backups:restore": 1, "backups:delete": 1, "backups:upload": 1 };

describe("a day's quota", () => {
  it("is not used up by what is refused", async () => {
    await onStage({}, async (stage) => {
      await stage.fake.make("a.zip", T0 - 3_600_000);
      const key = stage.key({ quotas });
      expect(await stage.refusal(restore("gone.zip"), key)).toBe("backup_missing");
      expect(await stage.refusal(remove("gone.zip"), key)).toBe("backup_deleted");
      expect(await stage.refusal(create("No Name"), key)).toBe("invalid_request");
      const upload = { do: "upload.reserve" as const, name: "a.zip", size: 9, strict: false };
      expect(await stage.refusal(upload, key)).not.toBe("admitted");
      const self = await stage.ask({ do: "keys.self" }, key);
      expect(self.rights?.quotasLeft).toEqual(quotas);
      await stage.ended(await stage.ask(create("one.zip"), key));
      expect(await stage.refusal(create("two.zip"), key)).toBe("quota_exhausted");
      await stage.ended(await stage.ask(restore("a.zip"), key));
      expect(await stage.refusal(restore("a.zip"), key)).toBe("quota_exhausted");
    });
  });

  it("is not used by a repetition of an Idempotency-Key, which is answered when the quota is used up", async () => {
    await onStage({}, async (stage) => {
      const key = stage.key({ quotas });
      const request = { ...create("one.zip"), ...once("k1") };
      const first = await stage.ask(request, key);
      await stage.ended(first);
      for (let time = 0; time < 3; time++) expect((await stage.ask(request, key)).id).toBe(first.id);
      expect(await stage.refusal({ ...request, ...once("k1", "f2") }, key)).toBe("idempotency_mismatch");
      expect(await stage.refusal({ ...request, ...once("k2") }, key)).toBe("quota_exhausted");
      // Of another key the same header is another request.
      expect(await stage.refusal({ ...create("two.zip"), ...once("k1") }, stage.key({ quotas }))).toBe("admitted");
    });
  });

  it("comes back when nothing was sent: denied, expired, canceled", async () => {
    await onStage({}, async (stage) => {
      await stage.fake.make("a.zip", T0 - 3_600_000);
      const key = stage.key({ quotas, ...approval, principal: "robots" });
      const boss = stage.key({ principal: "boss" });
      const left = async () => (await stage.ask({ do: "keys.self" }, key)).rights?.quotasLeft["backups:delete"];
      const denied = await stage.ask(remove("a.zip"), key);
      expect(await left()).toBe(0);
      expect(await stage.refusal(remove("a.zip"), key)).toBe("quota_exhausted");
      await stage.ask({ do: "operations.deny", id: denied.id }, boss);
      expect(await left()).toBe(1);
      const canceled = await stage.ask(remove("a.zip"), key);
      await stage.ask({ do: "operations.cancel", id: canceled.id }, key);
      await stage.ask({ do: "operations.cancel", id: canceled.id }, key);
      expect(await left()).toBe(1);
      await stage.ask(remove("a.zip"), key);
      await stage.pass(16 * 60_000);
      expect(await left()).toBe(1);
      const granted = await stage.ask(remove("a.zip"), key);
      await stage.ask({ do: "operations.approve", id: granted.id }, boss);
      expect(await stage.ended(granted)).toMatchObject({ state: "succeeded" });
      expect(await left()).toBe(0);
    });
  });
});

describe("a right that another one implies", () => {
  it("needs that one's approval too: names that the server prunes by are not uploaded without it", async () => {
    await onStage({}, async (stage) => {
      const key = stage.key(approval);
      for (const name of ["@auto_pb_backup_x.zip", "@update_x.zip", "pre_restore_x.zip"]) {
        const upload = { do: "upload.reserve" as const, name, size: 9, strict: false };
        expect([name, await stage.refusal(upload, key)]).toEqual([name, "approval_required"]);
      }
      expect(await stage.refusal(create("pre_restore_x.zip"), key)).toBe("approval_required");
      const robot = stage.key({ scopes: ["backups:create"] });
      expect(await stage.refusal(create("pre_restore_x.zip"), robot)).toBe("scope_missing");
      expect(await stage.refusal(create("nightly.zip"), robot)).toBe("admitted");
    });
  });

  it("is refused on /api, whose callers take any answer for done, and needs nobody for a dry run", async () => {
    await onStage({}, async (stage) => {
      await stage.fake.make("a.zip", T0 - 3_600_000);
      const key = stage.key(approval);
      expect(await stage.refusal({ ...remove("a.zip"), surface: "api" }, key)).toBe("approval_required");
      expect(await stage.refusal({ ...restore("a.zip"), surface: "api" }, key)).toBe("approval_required");
      expect(await stage.refusal({ do: "backups.preflight", key: "a.zip" }, key)).toBe("admitted");
    });
  });
});
