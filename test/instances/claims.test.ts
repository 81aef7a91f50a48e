import { describe, expect, it } from "vitest";
import type { Operation } from "../../src/operations/operation.ts";
import { create, onStage, remove, restore, restoreData, type Stage, T0, tick } from "../harness/instance-parts.ts";

const approve = (id: string) => ({ do: "operations.approve" as const, id });
const upload = (name: string) => ({ do: "upload.reserve" as const, name, size: 10, strict: false });
const ends = ({ state, error }: Operation) => (error ? `${state} ${error.code}` : state);
const row = ({ parts }: Stage, { id }: { id: string }) => parts.operations.rows.read(id)!;
const isSent = (stage: Stage, operation: Operation) => row(stage, operation).steps.some(({ name }) => name === "sent");

/** Two backups, a key that needs a yes for deletes, and one of another principal that may give it. */
const played = (
  play: (stage: Stage, keys: { robot: ReturnType<Stage["key"]>; boss: ReturnType<Stage["key"]> }) => Promise<void>,
) =>
  onStage({ seen: false }, async (stage) => {
    await stage.fake.make("a.zip", T0 - 3_600_000);
    await stage.fake.make("b.zip", T0 - 1_800_000);
    await stage.pass(1_000);
    const robot = stage.key({ principal: "robots", approval: ["backups:delete"] });
    await play(stage, { robot, boss: stage.key({ principal: "boss" }) });
  });

/** Writes into the row of an ended restore that this backup is what it can be undone by. */
function keepForUndo(stage: Stage, ended: Operation, key: string): void {
  const data = restoreData(ended);
  stage.parts.operations.rows.write({ ...ended, data: { ...data, safety: { ...data.safety!, key } } }, null);
}

describe("a decision", () => {
  it("to delete a backup is refused while a restore of it runs; the request stays and can be granted later", async () => {
    await played(async (stage, { robot, boss }) => {
      const waits = await stage.ask(remove("a.zip"), robot);
      const restored = await stage.ask(restore("a.zip"));
      await stage.reached(restored, "sent");
      expect(await stage.refusal(approve(waits.id), boss)).toBe("backup_in_use");
      expect(row(stage, waits)).toMatchObject({ state: "awaiting_approval", approval: { decidedBy: null } });
      expect(stage.told()).not.toContain("approval.granted a.zip");
      expect((await stage.ended(restored)).state).toBe("succeeded");
      expect(await stage.refusal(approve(waits.id), boss)).toBe("admitted");
      expect(ends(await stage.ended(waits))).toBe("succeeded");
    });
  });

  it("to delete what a restore can be undone by is refused for that day", async () => {
    await played(async (stage, { robot, boss }) => {
      const waits = await stage.ask(remove("a.zip"), robot);
      keepForUndo(stage, await stage.ended(await stage.ask(restore("b.zip"))), "a.zip");
      expect(await stage.refusal(approve(waits.id), boss)).toBe("backup_in_use");
      expect(await stage.hint(approve(waits.id), boss)).toContain("the way back from a restore");
      expect(row(stage, waits).state).toBe("awaiting_approval");
      expect(await stage.refusal({ do: "operations.deny", id: waits.id }, boss)).toBe("admitted");
    });
  });
});

describe("right before its request leaves", () => {
  it("a delete fails when its backup has become what a restore can be undone by", async () => {
    await played(async (stage, { robot, boss }) => {
      const waits = await stage.ask(remove("a.zip"), robot);
      const restored = await stage.ended(await stage.ask(restore("b.zip")));
      const looking = stage.hold("list");
      await stage.ask(approve(waits.id), boss);
      const goOn = await looking;
      keepForUndo(stage, restored, "a.zip");
      goOn();
      const ended = await stage.ended(waits);
      expect(ends(ended)).toBe("failed backup_in_use");
      expect(ended.error?.hint).toContain("the way back from a restore");
      expect(isSent(stage, waits)).toBe(false);
      expect(stage.calls("delete")).toBe(0);
    });
  });

  it("a create fails when an upload has taken its name", async () => {
    await played(async (stage) => {
      const looking = stage.hold("list");
      const made = await stage.ask(create("c.zip"));
      const goOn = await looking;
      stage.parts.transfers.reserve("c.zip", 10, null);
      goOn();
      expect(ends(await stage.ended(made))).toBe("failed upload_reserved");
      expect(isSent(stage, made)).toBe(false);
      expect(stage.calls("create")).toBe(0);
    });
  });

  it("a restore fails when its backup is being deleted, leaves no canary and was never sent", async () => {
    await played(async (stage) => {
      const first = await stage.ended(await stage.ask(restore("b.zip")));
      const creating = stage.hold("create");
      const made = await stage.ask(create("c.zip"));
      const createOn = await creating;
      const restored = await stage.ask(restore("a.zip"));
      const deleting = stage.hold("delete");
      const removal = await stage.ask(remove("a.zip"));
      const deleteOn = await deleting;
      expect(await stage.refusal(restore("a.zip"))).toBe("backup_in_use");
      createOn();
      while (row(stage, restored).finished === null) await tick();
      expect(ends(row(stage, restored))).toBe("failed backup_in_use");
      expect(isSent(stage, restored)).toBe(false);
      expect(stage.calls("restore")).toBe(1);
      expect([...stage.fake.world.canaries]).toEqual([]);
      deleteOn();
      expect(ends(await stage.ended(removal))).toBe("succeeded");
      expect(row(stage, made).state).toBe("succeeded");
      // Nothing was restored since the first one, so that one can still be undone.
      const undo = { do: "operations.undo" as const, id: first.id, waitSeconds: 0, surface: "v1" as const };
      expect(await stage.refusal({ ...undo, idempotency: null })).toBe("admitted");
    });
  });
});

describe("an upload", () => {
  it("keeps its name from creates and other uploads, from its reservation to its end", async () => {
    await played(async (stage) => {
      const { reservation } = await stage.ask(upload("up.zip"));
      expect(await stage.refusal(upload("up.zip"))).toBe("upload_reserved");
      expect(await stage.refusal({ ...upload("up.zip"), strict: true })).toBe("backup_conflict");
      expect(await stage.refusal(create("up.zip"))).toBe("upload_reserved");
      expect(await stage.refusal({ do: "upload.confirm", reservation })).toBe("admitted");
      stage.parts.transfers.release(reservation);
      expect(await stage.refusal({ do: "upload.confirm", reservation })).toBe("upload_interrupted");
      expect(await stage.refusal(create("up.zip"))).toBe("admitted");
    });
  });

  it("does not end in a name that an operation has taken since", async () => {
    await played(async (stage) => {
      const { reservation } = await stage.ask(upload("up.zip"));
      const { rows } = stage.parts.operations;
      const other = await stage.ask(create("other.zip"));
      rows.write({ ...row(stage, other), target: { key: "up.zip" } }, null);
      expect(await stage.refusal({ do: "upload.confirm", reservation })).toBe("upload_interrupted");
    });
  });
});
