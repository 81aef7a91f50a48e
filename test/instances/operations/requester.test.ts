import { describe, expect, it } from "vitest";
import type { ApiKey } from "../../../src/access/key.ts";
import { create, onStage, remove, restore, type Stage, T0 } from "../../harness/instance-parts.ts";

const change = (key: ApiKey, what: Partial<ApiKey>) => ({ do: "keys.change" as const, id: key.id, change: what });
const approve = (id: string) => ({ do: "operations.approve" as const, id });

/** Two backups, and a key below another one that asks for things. */
async function asking(play: (stage: Stage, keys: { above: ApiKey; robot: ApiKey }) => Promise<void>) {
  await onStage({ seen: false }, async (stage) => {
    await stage.fake.make("a.zip", T0 - 3_600_000);
    await stage.fake.make("b.zip", T0 - 1_800_000);
    await stage.pass(1_000);
    const above = stage.key({ name: "above", principal: "team" });
    const robot = stage.key({ name: "robot", principal: "team", parent: above.id });
    await play(stage, { above, robot });
  });
}

const canceled = (stage: Stage) =>
  stage
    .events()
    .filter(({ type }) => type === "operation.canceled")
    .map(({ data }) => [data.action, data.name, (data.error as { code: string } | null)?.code ?? null]);

describe("what a key asked for", () => {
  const deaths: [string, (keys: { above: ApiKey; robot: ApiKey }) => object][] = [
    ["it is disabled", ({ robot }) => change(robot, { disabled: true })],
    ["it is deleted", ({ robot }) => ({ do: "keys.delete", id: robot.id })],
    ["a key above it is disabled", ({ above }) => change(above, { disabled: true })],
    ["a key above it is deleted", ({ above }) => ({ do: "keys.delete", id: above.id })],
    ["it expires", ({ robot }) => change(robot, { expires: T0 })],
    ["it loses the scope", ({ robot }) => change(robot, { scopes: ["backups:list"] })],
    ["a key above it loses the scope", ({ above }) => change(above, { scopes: ["backups:list"] })],
    ["its patterns leave the backup out", ({ robot }) => change(robot, { patterns: ["other*"] })],
    ["it comes to need an approval", ({ robot }) => change(robot, { approval: ["backups:restore"] })],
  ];
  it.each(deaths)("and waits in line is canceled when %s; the event says so", async (_how, death) => {
    await asking(async (stage, keys) => {
      const held = stage.hold("create");
      const running = await stage.ask(create("first.zip"));
      const release = await held;
      const asked = await stage.ask(restore("a.zip"), keys.robot);
      await stage.ask(death(keys) as never);
      release();
      expect(await stage.ended(running)).toMatchObject({ state: "succeeded" });
      expect(await stage.ended(asked)).toMatchObject({ state: "canceled", error: { code: "requester_revoked" } });
      expect(stage.calls("restore")).toBe(0);
      expect(canceled(stage)).toEqual([["restore", "a.zip", "requester_revoked"]]);
    });
  });

  it("is canceled when its time is over before its turn comes, though nobody touches it", async () => {
    await asking(async (stage) => {
      const short = stage.key({ expires: T0 + 60_000, approval: ["backups:delete"] });
      const asked = await stage.ask(remove("a.zip"), short);
      await stage.pass(61_000);
      expect(await stage.refusal(approve(asked.id))).toBe("requester_revoked");
      await stage.pass(20 * 60_000);
      expect(await stage.ended(asked)).toMatchObject({ state: "canceled", error: { code: "requester_revoked" } });
      expect(stage.calls("delete")).toBe(0);
    });
  });

  it("and waits for an approval cannot be approved after the key is gone", async () => {
    await asking(async (stage) => {
      const robot = stage.key({ principal: "robots", approval: ["backups:delete"] });
      const boss = stage.key({ principal: "boss" });
      const asked = await stage.ask(remove("a.zip"), robot);
      await stage.ask({ do: "keys.delete", id: robot.id });
      expect(await stage.refusal(approve(asked.id), boss)).toBe("approval_not_pending");
      expect(await stage.ended(asked)).toMatchObject({ state: "canceled", error: { code: "requester_revoked" } });
      expect(stage.calls("delete")).toBe(0);
    });
  });

  it("is judged once more right before its request leaves", async () => {
    await asking(async (stage, { robot }) => {
      const held = stage.hold("list");
      const asked = await stage.ask(restore("a.zip"), robot).catch((error: Error) => error);
      void held;
      if (asked instanceof Error) throw asked;
      const release = await held;
      await stage.ask(change(robot, { disabled: true }));
      release();
      expect(await stage.ended(asked)).toMatchObject({ state: "canceled", error: { code: "requester_revoked" } });
      expect(stage.calls("restore")).toBe(0);
    });
  });

  it("goes on when its request has left, and is told as it ends", async () => {
    await asking(async (stage, { robot }) => {
      const held = stage.hold("create");
      const asked = await stage.ask(create("made.zip"), robot);
      const release = await held;
      await stage.ask(change(robot, { disabled: true }));
      release();
      expect(await stage.ended(asked)).toMatchObject({ state: "succeeded" });
      expect(canceled(stage)).toEqual([]);
    });
  });

  it("stays when another key is disabled", async () => {
    await asking(async (stage, { robot }) => {
      const other = stage.key();
      const held = stage.hold("create");
      const running = await stage.ask(create("first.zip"));
      const release = await held;
      const asked = await stage.ask(restore("a.zip"), robot);
      await stage.ask(change(other, { disabled: true }));
      release();
      await stage.ended(running);
      expect(await stage.ended(asked)).toMatchObject({ state: "succeeded" });
    });
  });

  it("and canceled itself is told as the caller's doing", async () => {
    await asking(async (stage, { robot }) => {
      const held = stage.hold("create");
      const running = await stage.ask(create("first.zip"));
      const release = await held;
      const asked = await stage.ask(restore("a.zip"), robot);
      await stage.ask({ do: "operations.cancel", id: asked.id }, robot);
      release();
      await stage.ended(running);
      expect(canceled(stage)).toEqual([["restore", "a.zip", null]]);
    });
  });
});

it("an administrator's restore is next, before whatever keys have put into the line, which it never finds full", async () => {
  await asking(async (stage, { robot }) => {
    const held = stage.hold("create");
    const running = await stage.ask(create("first.zip"), robot);
    const release = await held;
    const queued = [];
    for (let place = 0; place < 20; place++) queued.push(await stage.ask(create(`n${place}.zip`), robot));
    expect(await stage.refusal(create("one-more.zip"), robot)).toBe("queue_full");
    const emergency = await stage.ask(restore("a.zip"));
    expect(await stage.ask({ do: "operations.read", id: emergency.id, waitSeconds: 0 })).toMatchObject({ ahead: 1 });
    await stage.ask(change(robot, { disabled: true }));
    release();
    await stage.ended(running);
    expect(await stage.ended(emergency)).toMatchObject({ state: "succeeded" });
    for (const { id } of queued) expect(stage.parts.operations.rows.read(id)).toMatchObject({ state: "canceled" });
  });
});
