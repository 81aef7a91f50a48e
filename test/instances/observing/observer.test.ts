import { describe, expect, it } from "vitest";
import { database } from "../../harness/archive/database.ts";
import { zip } from "../../harness/archive/zip.ts";
import { generated, wholeOf } from "../../harness/fake/content.ts";
import { onStage, remove, restore, type Stage, T0 } from "../../harness/instance-parts.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const during = async (stage: Stage, ms: number) => {
  const before = stage.events().length;
  await stage.pass(ms);
  return stage.events().slice(before);
};
const types = (events: { type: string }[]) => events.map(({ type }) => type);

describe("changes that the relay did not make", () => {
  it.each([0, -2 * HOUR, 2 * HOUR])("are told once each, the server's clock %i ms off", async (clockSkewMs) => {
    await onStage({ clockSkewMs, seen: false }, async (stage) => {
      const { fake } = stage;
      await fake.make("first.zip", fake.now() - DAY);
      await stage.pass(1_000);
      expect(stage.told()).toEqual([]);
      await fake.make("dashboard.zip");
      await stage.pass(5 * MINUTE);
      await fake.cron();
      await stage.pass(5 * MINUTE);
      fake.remove("first.zip");
      await stage.pass(5 * MINUTE);
      await fake.make("dashboard.zip", fake.now());
      await stage.pass(HOUR);
      const cron = [...fake.world.backups.keys()].find((key) => key.startsWith("@auto"))!;
      expect(stage.told()).toEqual([
        "backup.created dashboard.zip",
        "backup.verified dashboard.zip",
        `backup.created ${cron}`,
        `backup.verified ${cron}`,
        "backup.deleted first.zip",
        "backup.changed dashboard.zip",
        "backup.verified dashboard.zip",
      ]);
      const [created, , , , deleted] = stage.events();
      const { size } = fake.world.backups.get("dashboard.zip")!.content;
      expect(created?.data).toMatchObject({
        actor: { kind: "upstream" },
        stats: { count: 2, medianSize: size, sizeRatio: 1, previousAgeSeconds: 86_401 },
      });
      expect(created?.data).not.toHaveProperty("operation");
      expect(deleted?.data).toMatchObject({ actor: { kind: "upstream" }, reason: "unknown" });
    });
  });

  it("are told as pruned when the server's own cron made room", async () => {
    await onStage({ seen: false }, async (stage) => {
      for (const day of [3, 2, 1]) await stage.fake.make(`@auto_pb_backup_acme_${day}.zip`, T0 - day * DAY);
      await stage.pass(1_000);
      await stage.fake.cron();
      stage.fake.remove("@auto_pb_backup_acme_3.zip");
      const events = await during(stage, HOUR);
      expect(types(events)).toEqual(["backup.created", "backup.verified", "backup.deleted"]);
      expect(events[2]?.data).toMatchObject({ reason: "pruned_upstream" });
    });
  });

  it("and failures of its cron, found in its log however late it shows them, once", async () => {
    await onStage({ clockSkewMs: -HOUR }, async (stage) => {
      stage.fake.cronFailure("@auto_pb_backup_acme_1.zip", "put https://s3.example.com/bucket: AccessDenied");
      const events = await during(stage, HOUR);
      expect(types(events)).toEqual(["backup.failed"]);
      expect(events[0]?.data).toMatchObject({
        name: "@auto_pb_backup_acme_1.zip",
        cause: "cron",
        error: {
          code: "cron_failed",
          message: expect.stringMatching(/^The server's S3 storage refuses it/),
          hint: expect.stringContaining("S3 settings"),
        },
        actor: { kind: "upstream" },
      });
      expect(JSON.stringify(events)).not.toContain("s3.example.com");
    });
  });

  it("are one event when another store is behind the instance", async () => {
    await onStage({ seen: false }, async (stage) => {
      for (const name of ["a", "b", "c", "d"]) await stage.fake.make(`${name}.zip`, T0 - DAY);
      await stage.pass(1_000);
      stage.fake.world.backups.clear();
      await stage.fake.make("z.zip", T0 - 2 * DAY);
      const events = await during(stage, HOUR);
      expect(events.map(({ type, data }) => [type, data.gone, data.kept, data.added])).toEqual([
        ["instance.store_changed", 4, 0, 1],
      ]);
    });
  });

  it("are none when every other list is empty", async () => {
    await onStage({ seen: false }, async (stage) => {
      for (const name of ["a", "b", "c", "d"]) await stage.fake.make(`${name}.zip`, T0 - DAY);
      await stage.pass(1_000);
      stage.fake.faults.add({ kind: "flapping" });
      expect(await during(stage, 3 * HOUR)).toEqual([]);
    });
  });
});

describe("what arrives is looked into", () => {
  it("and is called suspect with the reason", async () => {
    await onStage({ seen: false }, async (stage) => {
      const { fake } = stage;
      const filler = { name: "storage/filler.bin", data: wholeOf(generated(1, 60_000)) };
      for (const day of [4, 3, 2])
        await fake.put(`d${day}.zip`, zip([{ name: "data.db", data: database({ pages: 4 }) }, filler]), T0 - day * DAY);
      await stage.pass(1_000);
      await fake.put("empty.zip", zip([{ name: "types.d.ts", data: database({ pages: 1 }) }, filler]), T0 - DAY);
      await fake.put("small.zip", zip([{ name: "data.db", data: database({ pages: 4 }) }]), T0 - DAY);
      const events = (await during(stage, HOUR)).filter(({ type }) => type === "backup.suspect");
      const reasons = events.map(({ data }) => [data.backup?.key, (data.reasons as { code: string }[])[0]?.code]);
      expect(reasons.sort()).toEqual([
        ["empty.zip", expect.stringMatching(/database/)],
        ["small.zip", expect.stringMatching(/shrunk|small/)],
      ]);
      const page = await stage.ask({ do: "backups.page", limit: 9, cursor: null, sort: "key" });
      expect(page.items.map(({ verified }) => verified)).toEqual(["no", "no", "no", "suspect", "suspect"]);
    });
  });

  it("unless the instance is not to be", async () => {
    await onStage({ instance: { verify: false } }, async (stage) => {
      await stage.fake.make("a.zip");
      expect(types(await during(stage, HOUR))).toEqual(["backup.created"]);
      expect(stage.calls("download")).toBe(0);
    });
  });

  it("and is tried again when its bytes cannot be had, five times at most", async () => {
    await onStage({}, async (stage) => {
      stage.fake.faults.add({ kind: "down", on: "download" });
      await stage.fake.make("a.zip");
      expect(types(await during(stage, DAY))).toEqual(["backup.created"]);
      expect(stage.calls("download")).toBe(5);
    });
  });
});

describe("an expectation", () => {
  const expect24 = { everySeconds: 86_400, graceSeconds: 3_600 };

  it.each([0, -2 * HOUR, 2 * HOUR])(
    "is missed once, repeated after 1, 3 and 7 days, and ended by a backup (clock %i ms off)",
    async (clockSkewMs) => {
      await onStage(
        { clockSkewMs, seen: false, instance: { expect: expect24, pollSeconds: 43_200 } },
        async (stage) => {
          const { fake } = stage;
          await fake.make("a.zip", fake.now() - HOUR);
          await stage.pass(1_000);
          const days: [number, unknown][] = [];
          for (let hour = 1; hour <= 12 * 24; hour++)
            for (const { type, data } of await during(stage, HOUR)) {
              expect(type).toBe("backup.overdue");
              days.push([hour, data.reminderDays]);
            }
          // Due 25 hours after a backup that is an hour old; reminders come with the next regular look, every 12 hours here.
          expect(days[0]).toEqual([24, 0]);
          expect(days.map(([, reminder]) => reminder)).toEqual([0, 1, 3, 7]);
          for (const [at, reminder] of days) expect(at - 24 - Number(reminder) * 24).toBeLessThanOrEqual(13);
          await fake.cron();
          expect(types(await during(stage, DAY))).toEqual(["backup.created", "backup.verified", "backup.recovered"]);
          expect(types(await during(stage, DAY))).toEqual(["backup.overdue"]);
        },
      );
    },
  );

  it("counts a server that is down as making none, and a first backup that never comes", async () => {
    await onStage({ instance: { expect: expect24 } }, async (stage) => {
      stage.fake.faults.add({ kind: "down" });
      expect(types(await during(stage, 24 * HOUR))).toEqual(["instance.unreachable"]);
      const [overdue] = await during(stage, 2 * HOUR);
      expect(overdue).toMatchObject({ type: "backup.overdue", data: { newest: null, newestAgeSeconds: null } });
    });
  });
});

describe("the server itself", () => {
  it("is unreachable after three failed looks over a minute, and reachable at the next one", async () => {
    await onStage({ instance: { pollSeconds: 15 } }, async (stage) => {
      stage.fake.faults.add({ kind: "down" });
      expect(await during(stage, 50_000)).toEqual([]);
      const [down] = await during(stage, 60_000);
      expect(down).toMatchObject({ type: "instance.unreachable", data: { error: { code: "upstream_unreachable" } } });
      expect(await during(stage, DAY)).toEqual([]);
      stage.fake.faults.clear();
      const [up] = await during(stage, MINUTE);
      expect(up).toMatchObject({ type: "instance.reachable" });
      expect(Number(up?.data.downSeconds)).toBeGreaterThan(86_400);
      expect(await during(stage, HOUR)).toEqual([]);
    });
  });

  it("is unreachable for a reason that another try tells", async () => {
    await onStage({ instance: { pollSeconds: 15 }, reach: async () => "refused" }, async (stage) => {
      stage.fake.faults.add({ kind: "down" });
      const [down] = await during(stage, 2 * MINUTE);
      expect(down?.data.error).toEqual({
        code: "upstream_unreachable",
        message: "The server refuses connections at port 8090.",
        hint: expect.stringMatching(/another port/),
      });
    });
  });

  it("is unauthorized once, and no more when the credential is right again", async () => {
    await onStage({}, async (stage) => {
      const right = stage.fake.world.superuser.password;
      stage.fake.world.superuser.password = "changed";
      stage.fake.revokeTokens();
      expect(types(await during(stage, 2 * HOUR))).toEqual(["instance.unauthorized"]);
      stage.fake.world.superuser.password = right;
      await stage.pass(HOUR);
      stage.fake.world.superuser.password = "changed";
      stage.fake.revokeTokens();
      expect(types(await during(stage, 2 * HOUR))).toEqual(["instance.unauthorized"]);
    });
  });
});

it("a lock-out after a restore names the restore and the way out", async () => {
  await onStage({}, async (stage) => {
    await stage.fake.make("a.zip", T0 - HOUR);
    const restored = await stage.ended(await stage.ask(restore("a.zip")));
    stage.fake.world.superuser.password = "of another server";
    stage.fake.revokeTokens();
    const told = (await during(stage, 2 * HOUR)).filter(({ type }) => type === "instance.unauthorized");
    expect(told).toMatchObject([
      {
        data: {
          restore: { operation: restored.id, key: "a.zip" },
          error: { hint: expect.stringMatching(/superuser/) },
        },
      },
    ]);
  });
});

describe("what is going to end", () => {
  it("is told 14, 3 and 1 days before, keys and the credential alike", async () => {
    const token = () => {
      const claims = { exp: Math.floor((T0 + 20 * DAY) / 1000), id: "a", collectionId: "pbc_3142635823", type: "auth" };
      return `e30.${btoa(JSON.stringify(claims)).replaceAll("=", "")}.x`;
    };
    await onStage(
      { instance: { pollSeconds: 3_600, credential: { kind: "token", token: token() } } },
      async (stage) => {
        stage.key({ name: "robot", expires: T0 + 20 * DAY });
        stage.key({ name: "off", expires: T0 + 20 * DAY, disabled: true });
        const told = (await during(stage, 21 * DAY)).filter(({ type }) => type.endsWith(".expiring"));
        expect(told.map(({ type, data }) => `${type} ${data.daysLeft}`)).toEqual([
          "credential.expiring 14",
          "key.expiring 14",
          "credential.expiring 3",
          "key.expiring 3",
          "credential.expiring 1",
          "key.expiring 1",
        ]);
        expect(told[1]?.data).toMatchObject({ key: { name: "robot" } });
      },
    );
  });
});

describe("what an idle instance costs", () => {
  it("is at most one row per look, and two calls of the server", async () => {
    await onStage({ seen: false }, async (stage) => {
      for (let count = 0; count < 100; count++) await stage.fake.make(`b${count}.zip`, T0 - DAY + count);
      await stage.pass(HOUR);
      const rows = () => Number(stage.storage.sql.exec("SELECT total_changes() AS rows").one().rows);
      const [before, asked] = [rows(), stage.fake.requests.length];
      await stage.pass(DAY);
      const looks = DAY / (120 * 1_000);
      expect(rows() - before).toBeLessThanOrEqual(looks / 7);
      expect(stage.fake.requests.length - asked).toBeLessThanOrEqual(2 * looks + 10);
    });
  });
});

describe("a delete through the relay", () => {
  it("is the caller's, however many look at once", async () => {
    await onStage({ seen: false }, async (stage) => {
      await stage.fake.make("a.zip", T0 - DAY);
      await stage.pass(1_000);
      const key = stage.key({ name: "cleaner" });
      const deleted = stage.ask(remove("a.zip"), key);
      await Promise.all([stage.ask({ do: "backups.list" }), stage.ask({ do: "backups.list" }), deleted]);
      await stage.ended(await deleted);
      const [event, ...more] = stage.events();
      expect(event).toMatchObject({ type: "backup.deleted", data: { reason: "request", actor: { name: "cleaner" } } });
      expect(more).toEqual([]);
    });
  });
});
