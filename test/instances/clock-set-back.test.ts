import { describe, expect, it } from "vitest";
import { watchRestore } from "../../src/operations/restore-watch.ts";
import { create, onStage, remove, restore, type Stage, T0 } from "../harness/instance-parts.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;

const told = async (stage: Stage, ms: number) => {
  const before = stage.told().length;
  await stage.pass(ms);
  return stage.told().slice(before);
};
const look = (stage: Stage) => stage.ask({ do: "backups.list" });

describe("after a clock ran a year ahead and was set back", () => {
  it("what happens on the server is told, what waited is looked into, and its cron's failures are found", async () => {
    await onStage({ instance: { pollSeconds: 60 } }, async (stage) => {
      const { fake, time } = stage;
      await fake.make("old.zip", T0 - 24 * HOUR);
      await fake.make("kept.zip", T0 - 24 * HOUR);
      await stage.pass(5 * MINUTE);
      time.now = T0 + YEAR;
      fake.faults.add({ kind: "down", on: "download" });
      await fake.make("waiting.zip", fake.now() - MINUTE);
      fake.cronFailure("ahead.zip", "no space left on device");
      await stage.pass(5 * MINUTE);
      expect(stage.told().slice(-2).sort()).toEqual(["backup.created waiting.zip", "backup.failed"]);
      // Seen once each by looks of the wrong clock.
      fake.remove("old.zip");
      await fake.make("young.zip");
      await look(stage);

      time.now = T0 + HOUR;
      fake.faults.clear();
      fake.cronFailure("again.zip", "no space left on device");
      expect((await told(stage, 10 * MINUTE)).sort()).toEqual([
        "backup.created young.zip",
        "backup.deleted old.zip",
        "backup.verified waiting.zip",
        "backup.verified young.zip",
      ]);
      // The server's log is known from its present time on: a row of the moment at which that became known is not told.
      fake.cronFailure("later.zip", "no space left on device");
      expect(await told(stage, 10 * MINUTE)).toEqual(["backup.failed"]);
      await fake.make("new.zip");
      expect(await told(stage, 10 * MINUTE)).toEqual(["backup.created new.zip", "backup.verified new.zip"]);
      const { key, madeAt } = await stage.ask({ do: "backups.latest", pattern: null, maxAgeSeconds: 3_600 });
      expect([key, Date.parse(madeAt!) <= time.now]).toEqual(["new.zip", true]);
    });
  });

  it("a server that does not answer is told, and that it does again", async () => {
    await onStage({ instance: { pollSeconds: 60 } }, async (stage) => {
      stage.time.now = T0 + YEAR;
      stage.fake.faults.add({ kind: "down" });
      await stage.pass(MINUTE);
      stage.time.now = T0 + HOUR;
      expect(await told(stage, 10 * MINUTE)).toEqual(["instance.unreachable"]);
      stage.fake.faults.clear();
      expect(await told(stage, 10 * MINUTE)).toEqual(["instance.reachable"]);
    });
  });

  it("a backup that does not come is told anew, reminded of, and its end as well", async () => {
    const expect24 = { everySeconds: 86_400, graceSeconds: 3_600 };
    await onStage({ instance: { expect: expect24 } }, async (stage) => {
      await stage.fake.make("real.zip");
      await stage.pass(HOUR);
      stage.time.now = T0 + YEAR;
      expect(await told(stage, HOUR)).toEqual(["backup.overdue"]);
      stage.time.now = T0 + 2 * HOUR;
      expect(await told(stage, 22 * HOUR)).toEqual(["backup.recovered real.zip"]);
      expect(await told(stage, 2 * HOUR)).toEqual(["backup.overdue"]);
      expect(await told(stage, 25 * HOUR)).toEqual(["backup.overdue"]);
      await stage.fake.make("next.zip");
      expect((await told(stage, HOUR)).at(-1)).toBe("backup.recovered next.zip");
    });
    await onStage({}, async (stage) => {
      stage.time.now = T0 + YEAR;
      await stage.ask({ do: "instance.change", expect: expect24 });
      stage.time.now = T0 + HOUR;
      expect(await told(stage, 24 * HOUR)).toEqual([]);
      expect(await told(stage, 2 * HOUR)).toEqual(["backup.overdue"]);
    });
  });

  it("requests of that time wait for no approval any more, hold nothing, and the newest restore can be undone", async () => {
    await onStage({}, async (stage) => {
      await stage.fake.make("a.zip");
      await stage.fake.make("b.zip");
      await stage.pass(5 * MINUTE);
      stage.time.now = T0 + YEAR;
      const first = await stage.ended(await stage.ask(restore("a.zip")));
      expect(first.state).toBe("succeeded");
      const waiting = await stage.ask(remove("b.zip"), stage.key({ approval: ["backups:delete"] }));
      expect(waiting.state).toBe("awaiting_approval");
      const idempotency = { key: "once", fingerprint: "f" };
      await stage.ended(await stage.ask({ ...create("c.zip"), idempotency }));

      stage.time.now = T0 + HOUR;
      stage.fake.world.downUntil = 0;
      await stage.pass(MINUTE);
      expect(stage.parts.operations.rows.read(waiting.id)?.state).toBe("expired");
      const { data } = first as unknown as { data: { safetyKey: string } };
      expect(await stage.refusal(remove(data.safetyKey))).toBe("admitted");
      await stage.pass(MINUTE);
      // The key of that request is free for another one.
      const again = await stage.ask({ ...create("d.zip"), idempotency });
      expect(again.target.key).toBe("d.zip");
      await stage.ended(again);
      const second = await stage.ended(await stage.ask(restore("b.zip")));
      expect([second.state, second.error]).toEqual(["succeeded", null]);
      const undo = { do: "operations.undo" as const, waitSeconds: 0, surface: "v1" as const, idempotency: null };
      expect(await stage.refusal({ ...undo, id: first.id })).toBe("undo_unavailable");
      expect(await stage.refusal({ ...undo, id: second.id })).toBe("admitted");
    });
  });

  it("quotas and rates count from the day and minute that it is, and denials of that time push none out", async () => {
    await onStage({}, async (stage) => {
      const { sql } = stage.storage;
      const key = stage.key({ quotas: { "backups:create": 1 }, ratePerMinute: 3 });
      stage.time.now = T0 + YEAR;
      await stage.ended(await stage.ask(create("a.zip"), key));
      expect(await stage.refusal(create("b.zip"), key)).toBe("quota_exhausted");
      await stage.refusal({ do: "backups.list" }, key);
      await stage.refusal({ do: "backups.list" }, key);
      const minute = Math.floor(stage.time.now / MINUTE);
      for (let at = 0; at < 2_000; at++)
        sql.exec(
          "INSERT INTO denials VALUES (?, 'key:x', 'not_found', ?, 'list', 1, NULL, '', '', '')",
          minute,
          `${at}`,
        );
      stage.time.now = T0 + HOUR;
      await stage.ended(await stage.ask(create("b.zip"), key));
      for (const name of ["c.zip", "d.zip"]) expect(await stage.refusal(create(name), key)).toBe("quota_exhausted");
      const present = sql.exec("SELECT code FROM denials WHERE minute < ?", minute - 1).toArray();
      expect(present.map(({ code }) => code)).toContain("quota_exhausted");
    });
  });

  it("a restore that was sent then is watched to its end", async () => {
    let now = T0;
    const api = {
      health: async () => ({ ok: true, value: { idle: true } }),
      canaryPresent: async () => ({ ok: true, value: true }),
      canaries: async () => ({ ok: true, value: [] }),
      restoreFailures: async () => ({ ok: true, value: [] }),
    };
    const sleep = async (ms: number) => {
      now += ms;
    };
    const work = { api, credential: { lasts: true }, clock: () => now, sleep };
    const data = { sentAt: T0 + YEAR, canary: { kind: "record", id: "c" } };
    const { outcome } = await watchRestore(work as never, data as never);
    // The canary is there still: nothing was restored.
    expect([outcome.state, now < T0 + HOUR]).toEqual(["failed", true]);
  });

  it("what is going to end is warned of again when its time has come", async () => {
    await onStage({ instance: { pollSeconds: 3_600 } }, async (stage) => {
      stage.key({ name: "robot", expires: T0 + YEAR + 12 * HOUR });
      stage.time.now = T0 + YEAR;
      expect(await told(stage, 2 * HOUR)).toEqual(["key.expiring"]);
      stage.time.now = T0 + YEAR - 15 * 24 * HOUR;
      expect(await told(stage, 16 * 24 * HOUR)).toEqual(["key.expiring", "key.expiring", "key.expiring"]);
    });
  });
});
