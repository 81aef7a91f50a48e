import { describe, expect, it } from "vitest";
import { onStage, remove, restore, type Stage, T0 } from "../../harness/instance-parts.ts";

const approve = (id: string) => ({ do: "operations.approve" as const, id });
const deny = (id: string) => ({ do: "operations.deny" as const, id });

/** One backup, a key that needs a yes, and one of another principal that may give it. */
async function asking(
  play: (stage: Stage, keys: { robot: ReturnType<Stage["key"]>; boss: ReturnType<Stage["key"]> }) => Promise<void>,
) {
  await onStage({ seen: false }, async (stage) => {
    await stage.fake.make("a.zip", T0 - 3_600_000);
    await stage.fake.make("b.zip", T0 - 1_800_000);
    await stage.pass(1_000);
    const robot = stage.key({ name: "robot", principal: "robots", approval: ["backups:restore", "backups:delete"] });
    const boss = stage.key({ name: "boss", principal: "boss" });
    await play(stage, { robot, boss });
  });
}

const approvals = (stage: Stage) => stage.told().filter((line) => line.startsWith("approval."));

describe("four eyes", () => {
  it("are not those of a key whose principal was renamed while its request waits", async () => {
    await asking(async (stage, { robot }) => {
      const asked = await stage.ask(remove("a.zip"), robot);
      await stage.ask({ do: "keys.change", id: robot.id, change: { principal: "somebody-else" } });
      expect(await stage.refusal(approve(asked.id), stage.parts.keys.find(robot.id)!)).toBe("approval_own");
      const sameHandsNow = stage.key({ principal: "somebody-else" });
      expect(await stage.refusal(approve(asked.id), sameHandsNow)).toBe("approval_own");
    });
  });

  it("are those of two administrators with names, and not of one and his own key", async () => {
    await asking(async (stage) => {
      const key = stage.key({ principal: "anna", approval: ["backups:delete"] });
      const asked = await stage.ask(remove("a.zip"), key);
      const as = (name: string) => ({
        credential: { kind: "admin" as const, name },
        address: null,
        userAgent: "",
        requestId: "r",
      });
      const annas = await stage.parts.door.perform(as("anna"), approve(asked.id));
      expect(annas.result).toMatchObject({ ok: false, error: { code: "approval_own" } });
      await stage.parts.door.perform(as("bert"), approve(asked.id));
      expect((await stage.ended(asked)).approval).toMatchObject({ decidedBy: "bert" });
      const { items } = stage.parts.audit.list({
        limit: 9,
        cursor: null,
        verdict: null,
        action: null,
        actor: "admin:bert",
      })!;
      expect(items.map(({ action }) => action)).toEqual(["operations.approve"]);
    });
  });

  it("are not those of a key and one below it, whatever their principals are", async () => {
    await asking(async (stage, { robot, boss }) => {
      const asked = await stage.ask(remove("a.zip"), robot);
      const below = stage.key({ principal: "second", parent: robot.id });
      expect(await stage.refusal(approve(asked.id), below)).toBe("approval_own");
      await stage.ask(approve(asked.id), boss);
    });
  });
});

describe("an approval", () => {
  it("of another principal lets a restore run; the request showed what will be lost and who made the file", async () => {
    await asking(async (stage, { robot, boss }) => {
      const asked = await stage.ask(restore("a.zip"), robot);
      expect(asked).toMatchObject({
        state: "awaiting_approval",
        preview: { losesSeconds: 3_601, losesSince: "2026-11-23T11:00:00.000Z", madeBy: { kind: "unknown" } },
      });
      expect(asked.preview!.archive?.database).toMatchObject({ pages: 4 });
      expect(await stage.refusal(approve(asked.id), robot)).toBe("approval_own");
      const sameHands = stage.key({ principal: "robots" });
      expect(await stage.refusal(approve(asked.id), sameHands)).toBe("approval_own");
      const blind = stage.key({ principal: "blind", patterns: ["other*"] });
      expect(await stage.refusal(approve(asked.id), blind)).toBe("operation_not_found");
      const powerless = stage.key({ principal: "powerless", scopes: ["operations:read"] });
      expect(await stage.refusal(approve(asked.id), powerless)).toBe("scope_missing");
      await stage.ask(approve(asked.id), boss);
      const ended = await stage.ended(asked);
      expect(ended).toMatchObject({ state: "succeeded", approval: { decidedBy: "boss" } });
      expect(await stage.refusal(approve(asked.id), boss)).toBe("approval_not_pending");
      expect(approvals(stage)).toEqual(["approval.requested a.zip", "approval.granted a.zip"]);
      const [requested, granted] = stage.events();
      expect(requested?.data).toMatchObject({ action: "restore", requestedBy: { name: "robot" }, operation: asked.id });
      expect(granted?.data).toMatchObject({ actor: { name: "boss" } });
    });
  });

  it("is for the file that was asked for, not for one that has its name now (SECURITY 18)", async () => {
    await asking(async (stage, { robot, boss }) => {
      const asked = await stage.ask(restore("a.zip"), robot);
      const removal = await stage.ask(remove("b.zip"), robot);
      expect(removal.preview).toMatchObject({ loses: "This backup, for good. 1 stay, 0 of them newer." });
      await stage.fake.make("a.zip", T0 - 3_600_000);
      await stage.fake.make("b.zip", T0 - 60_000);
      await stage.ask(approve(asked.id), boss);
      await stage.ask(approve(removal.id), boss);
      expect(await stage.ended(asked)).toMatchObject({ state: "failed", error: { code: "approval_changed" } });
      expect(await stage.ended(removal)).toMatchObject({ state: "failed", error: { code: "approval_changed" } });
      expect(stage.calls("restore") + stage.calls("delete")).toBe(0);
    });
  });

  it("that a delete waits for is named to whoever deletes the same backup, and gone when it is denied", async () => {
    await asking(async (stage, { robot, boss }) => {
      const waits = await stage.ask(remove("a.zip"), robot);
      expect(await stage.refusal(remove("a.zip"), boss)).toBe("backup_in_use");
      expect(await stage.hint(remove("a.zip"), boss)).toContain("waits: decide about that one or cancel it");
      await stage.ask(deny(waits.id), boss);
      expect(await stage.ended(await stage.ask(remove("a.zip"), boss))).toMatchObject({ state: "succeeded" });
    });
  });

  it("can be denied or canceled, and expires after 15 minutes or the key's own time", async () => {
    await asking(async (stage, { robot, boss }) => {
      const denied = await stage.ask(restore("a.zip"), robot);
      expect(await stage.ask(deny(denied.id), boss)).toMatchObject({
        state: "denied",
        error: { code: "approval_denied" },
      });
      const canceled = await stage.ask(restore("a.zip"), robot);
      await stage.ask({ do: "operations.cancel", id: canceled.id }, robot);
      const expires = await stage.ask(restore("a.zip"), robot);
      const hasty = stage.key({ principal: "hasty", approval: ["backups:restore"], approvalSeconds: 60 });
      const soon = await stage.ask(restore("a.zip"), hasty);
      await stage.pass(61_000);
      expect(stage.parts.operations.rows.read(soon.id)?.state).toBe("expired");
      await stage.pass(830_000);
      expect(stage.parts.operations.rows.read(expires.id)?.state).toBe("awaiting_approval");
      await stage.pass(20_000);
      expect(stage.parts.operations.rows.read(expires.id)?.state).toBe("expired");
      expect(await stage.refusal(approve(expires.id), boss)).toMatch(/approval_(expired|not_pending)/);
      expect(approvals(stage).filter((line) => !line.startsWith("approval.requested"))).toEqual([
        "approval.denied a.zip",
        "approval.expired a.zip",
        "approval.expired a.zip",
      ]);
      expect(stage.calls("restore")).toBe(0);
    });
  });

  it("waits for three requests of a principal at most, does not slow anybody down, and is not for /api", async () => {
    await asking(async (stage, { robot }) => {
      for (let count = 0; count < 3; count++) await stage.ask(restore("a.zip"), robot);
      expect(await stage.refusal(restore("a.zip"), robot)).toBe("approvals_full");
      expect(
        await stage.refusal(restore("a.zip"), stage.key({ principal: "robots", approval: ["backups:restore"] })),
      ).toBe("approvals_full");
      expect(await stage.refusal({ ...restore("a.zip"), surface: "api" }, robot)).toBe("approval_required");
      expect(await stage.refusal({ ...remove("a.zip"), surface: "api" }, robot)).toBe("approval_required");
      const before = stage.calls("list");
      await stage.pass(600_000);
      expect(stage.calls("list") - before).toBeLessThanOrEqual(6);
      expect((await stage.ended(await stage.ask(remove("b.zip")))).state).toBe("succeeded");
    });
  });
});

describe("rights to a restore", () => {
  it("without a safety backup need backups:restore-unsafe", async () => {
    await asking(async (stage) => {
      const careful = stage.key({ scopes: ["backups:restore", "backups:list"] });
      expect(await stage.refusal(restore("a.zip", false), careful)).toBe("scope_missing");
      const reckless = stage.key({ scopes: ["backups:restore", "backups:restore-unsafe"] });
      const ended = await stage.ended(await stage.ask(restore("a.zip", false), reckless));
      expect(ended.state).toBe("succeeded");
      expect(ended.steps.map(({ name }) => name)).not.toContain("safety");
      expect(stage.calls("create")).toBe(0);
      expect(
        await stage.refusal({ do: "operations.undo", id: ended.id, waitSeconds: 0, surface: "v1", idempotency: null }),
      ).toBe("undo_unavailable");
    });
  });

  it("show and hide operations by scope and pattern; one's own are always seen", async () => {
    await asking(async (stage) => {
      const owner = stage.key({ scopes: ["backups:restore"] });
      const ended = await stage.ended(await stage.ask(restore("a.zip"), owner));
      const read = { do: "operations.read" as const, id: ended.id, waitSeconds: 0 };
      expect(await stage.refusal(read, owner)).toBe("admitted");
      expect(await stage.refusal(read, stage.key({ scopes: ["backups:list"] }))).toBe("operation_not_found");
      expect(await stage.refusal(read, stage.key({ scopes: ["operations:read"], patterns: ["b*"] }))).toBe(
        "operation_not_found",
      );
      expect(await stage.refusal(read, stage.key({ scopes: ["operations:read"], patterns: ["a*"] }))).toBe("admitted");
    });
  });
});

describe("an Idempotency-Key", () => {
  const once = (key: string, fingerprint: string) => ({ idempotency: { key, fingerprint } });

  it("gets the stored answer again, word for word, and no second operation", async () => {
    await asking(async (stage, { boss }) => {
      const command = { ...restore("a.zip"), ...once("k", "f") };
      const first = await stage.ask(command, boss);
      expect(await stage.refusal(command, boss)).toBe("idempotency_running");
      await stage.ended(first);
      expect(JSON.stringify(await stage.ask(command, boss))).toBe(JSON.stringify(first));
      expect(await stage.refusal({ ...restore("b.zip"), ...once("k", "g") }, boss)).toBe("idempotency_mismatch");
      expect(stage.calls("restore")).toBe(1);
      const other = stage.key({ principal: "other" });
      await stage.ended(await stage.ask(command, other));
      expect(stage.calls("restore")).toBe(2);
      await stage.pass(24 * 3_600_000);
      await stage.ended(await stage.ask(command, boss));
      expect(stage.calls("restore")).toBe(3);
    });
  });

  it("of a delete that took its time is answered the same", async () => {
    await asking(async (stage, { boss }) => {
      const command = { ...remove("a.zip"), waitSeconds: 60, ...once("k", "f") };
      const first = await stage.ask(command, boss);
      expect(first.state).toBe("succeeded");
      expect(JSON.stringify(await stage.ask(command, boss))).toBe(JSON.stringify(first));
      expect(stage.calls("delete")).toBe(1);
    });
  });
});
