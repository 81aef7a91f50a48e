import { expect, it } from "vitest";
import type { OperationKind } from "../../../src/operations/kind.ts";
import { kinds } from "../../../src/operations/kinds.ts";
import { create, onStage, restore, type Stage, T0 } from "../../harness/instance-parts.ts";

type Tries = { tries: number };

/** A kind that reads a backup for a minute and takes no lock of the server's. */
const reading = {
  run: async (work) => {
    work.step("read", "running");
    work.keep({ tries: work.operation.data.tries + 1 });
    await work.sleep(60_000);
    work.step("read", "done");
    return { state: "succeeded", result: { tries: work.operation.data.tries } };
  },
  needsServer: false,
  change: null,
  cleanUp: { isDue: ({ data }) => data.tries > 0, run: async () => ({ tries: 0 }) },
  data: ({ tries }: Tries) => ({ tries }),
} satisfies OperationKind<Tries, Tries>;

const withReading = (kind: OperationKind, play: (stage: Stage, read: () => string) => Promise<void>) =>
  onStage({ seen: false, kinds: { ...kinds, reading: kind } }, async (stage) => {
    await stage.fake.make("a.zip", T0 - 60_000);
    await stage.pass(1_000);
    await play(stage, () => {
      const actor = { kind: "relay" as const };
      const request = { kind: "reading", target: { key: "a.zip" }, actor, approval: null, input: { tries: 0 } };
      const made = stage.parts.operations.request(request);
      if (!made.ok) throw new Error(made.error.code);
      return made.value.id;
    });
  });

it("a kind that does not need the server runs beside a restore, and a create does not wait for it", async () => {
  await withReading(reading, async (stage, read) => {
    const { rows } = stage.parts.operations;
    const restored = await stage.ask(restore("a.zip"));
    await stage.reached(restored, "sent");
    const id = read();
    expect([rows.read(restored.id)?.state, rows.read(id)?.state]).toEqual(["running", "running"]);
    expect(rows.place(rows.read(id)!)).toBeNull();
    expect((await stage.ended(restored)).state).toBe("succeeded");
    const second = read();
    expect(rows.line()).toEqual([]);
    const made = await stage.ended(await stage.ask({ ...create("b.zip"), surface: "api" }));
    expect(made.state).toBe("succeeded");
    expect(await stage.ended(rows.read(second)!)).toMatchObject({ state: "succeeded", result: { tries: 1 } });
  });
});

it.each<[string, OperationKind, boolean]>([
  ["while a kind runs that needs nothing of it", reading, false],
  ["but while one runs that changes a backup", { ...reading, change: "deleted" }, true],
  ["but while one has its lock", { ...reading, needsServer: true }, true],
])("the server is not looked at every two seconds %s", async (_case, kind, often) => {
  await withReading(kind, async (stage, read) => {
    await stage.pass(10_000);
    const id = read();
    const next = stage.parts.duties.due(stage.time.now) - stage.time.now;
    if (often) expect(next).toBe(2_000);
    else expect(next).toBeGreaterThan(10_000);
    await stage.ended(stage.parts.operations.rows.read(id)!);
  });
});

it("what an ended run may have left is cleaned up at a look, once", async () => {
  await withReading(reading, async (stage, read) => {
    const { rows } = stage.parts.operations;
    const id = read();
    await stage.ended(rows.read(id)!);
    await stage.pass(600_000);
    expect(rows.read(id)).toMatchObject({ state: "succeeded", data: { tries: 0 } });
  });
});

it("an operation of a kind that a newer relay wrote ends with an error and holds up nothing", async () => {
  await withReading(reading, async (stage, read) => {
    const { rows } = stage.parts.operations;
    const id = read();
    rows.write({ ...rows.read(id)!, id: `${id}x`, kind: "unheard", state: "queued" }, null);
    stage.parts.operations.resume();
    const ended = await stage.ended(rows.read(`${id}x`)!);
    expect([ended.state, ended.error?.code]).toEqual(["failed", "internal"]);
    expect((await stage.ended(await stage.ask(create("b.zip")))).state).toBe("succeeded");
  });
});
