import { describe, expect, it } from "vitest";
import { database } from "../../harness/archive/database.ts";
import { zip } from "../../harness/archive/zip.ts";
import { create, onStage, remove, restore, type Stage, T0 } from "../../harness/instance-parts.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MINUTES = 5 * 60_000;

const archiveOf = (changed: number) => zip([{ name: "data.db", data: database({ pages: 4 }) }], { changed });
const worthless = () => zip([{ name: "types.d.ts", data: "// none" }]);

const latest = (stage: Stage, maxAgeSeconds: number | null = null) =>
  stage.ask({ do: "backups.latest", pattern: null, maxAgeSeconds });
const monitored = (stage: Stage, maxAgeSeconds: number) =>
  stage.refusal({ do: "backups.latest", pattern: null, maxAgeSeconds });
const shown = async (stage: Stage, key: string) => {
  const page = await stage.ask({ do: "backups.page", limit: 200, cursor: null, sort: "key" });
  return page.items.find((item) => item.key === key);
};

describe("the newest backup", () => {
  it("is a real one beside a file dated 30 days ahead, before and after that was looked into", async () => {
    await onStage({ seen: false }, async (stage) => {
      await stage.fake.make("real.zip", T0 - HOUR);
      await stage.fake.make("waiting.zip", T0 + 30 * DAY);
      await stage.pass(1_000);
      expect(await latest(stage)).toMatchObject({ key: "real.zip", skipped: [{ key: "waiting.zip" }] });
      await stage.fake.put("ahead.zip", archiveOf(T0 - 2 * HOUR), T0 + 30 * DAY);
      const before = await latest(stage);
      expect(before).toMatchObject({ key: "real.zip", madeAt: "2026-11-23T11:00:00.000Z", madeAtBy: "modified" });
      expect(before.skipped.map(({ key }) => key)).toContain("ahead.zip");
      await stage.pass(HOUR);
      expect(await shown(stage, "ahead.zip")).toMatchObject({
        verified: "ok",
        madeAt: "2026-11-23T10:00:00.000Z",
        madeAtBy: "archive",
      });
      expect(await latest(stage)).toMatchObject({ key: "real.zip", skipped: [{ key: "waiting.zip" }] });
      expect(await stage.parts.view()).toMatchObject({ newestBackup: { key: "real.zip", ageSeconds: 7_201 } });
    });
  });

  it("is the same in the view of an instance whose object was put out of memory: what it saw is stored", async () => {
    await onStage({ seen: false }, async (stage) => {
      await stage.fake.make("real.zip", T0 - HOUR);
      await stage.pass(1_000);
      const { newestBackup } = await stage.parts.view();
      expect(newestBackup).toMatchObject({ key: "real.zip", modified: "2026-11-23 11:00:00.000Z" });
      // The list is held in memory alone.
      stage.parts.server.reset();
      expect((await stage.parts.view()).newestBackup).toEqual(newestBackup);
    });
  });

  it("is not a two-year-old archive that came today, once it was looked into; its approver reads two years", async () => {
    await onStage({}, async (stage) => {
      await stage.fake.make("real.zip");
      await stage.pass(HOUR);
      await stage.fake.put("old.zip", archiveOf(T0 - 730 * DAY));
      await stage.pass(MINUTES);
      expect(await latest(stage)).toMatchObject({ key: "real.zip", skipped: [] });
      expect(await shown(stage, "old.zip")).toMatchObject({ madeAt: "2024-11-23T12:00:00.000Z", madeAtBy: "archive" });
      const told = stage.events().filter(({ data }) => data.backup?.key === "old.zip");
      expect(told.map(({ type, data }) => [type, (data.backup as { madeAt?: string }).madeAt])).toEqual([
        ["backup.created", "2026-11-23T13:00:01.000Z"],
        ["backup.verified", "2024-11-23T12:00:00.000Z"],
      ]);
      const asking = stage.key({ approval: ["backups:restore"] });
      const { preview } = await stage.ask(restore("old.zip"), asking);
      expect(preview).toMatchObject({ losesSince: "2024-11-23T12:00:00.000Z", madeAtBy: "archive" });
      expect(preview!.loses).toMatch(/about 2 years|about 730 days/);
      const dry = await stage.ask({ do: "backups.preflight", key: "old.zip" });
      expect(dry).toMatchObject({ madeAt: "2024-11-23T12:00:00.000Z", madeAtBy: "archive" });
      expect(dry.checks.find(({ name }) => name === "credential")?.ok).toBe(false);
    });
  });

  it("does not count a suspect, an empty or a nameless file, names those that are newer, and tells monitors", async () => {
    await onStage({}, async (stage) => {
      await stage.fake.make("real.zip");
      await stage.pass(MINUTES);
      await stage.fake.put("notes.txt", archiveOf(stage.time.now));
      await stage.fake.put("empty.zip", new Uint8Array(0));
      await stage.pass(MINUTES);
      expect(await monitored(stage, 3_600)).toBe("backup_suspect");
      stage.fake.remove("empty.zip");
      await stage.pass(MINUTES);
      expect(await monitored(stage, 3_600)).toBe("admitted");
      await stage.fake.put("bad.zip", worthless());
      await stage.pass(MINUTES);
      expect(await monitored(stage, 3_600)).toBe("backup_suspect");
      expect(await stage.refusal({ do: "download.latest", pattern: null, maxAgeSeconds: 3_600 })).toBe(
        "backup_suspect",
      );
      const { key, skipped } = await latest(stage);
      expect(key).toBe("real.zip");
      expect(skipped.map((one) => [one.key, one.verified])).toEqual([
        ["bad.zip", "suspect"],
        ["notes.txt", expect.any(String)],
      ]);
      expect(skipped.every(({ reason }) => (reason ?? "").length > 10)).toBe(true);
      // Whoever must not see the suspect one is told of neither.
      const narrow = stage.key({ patterns: ["real*"] });
      expect(await stage.ask({ do: "backups.latest", pattern: null, maxAgeSeconds: 3_600 }, narrow)).toMatchObject({
        key: "real.zip",
        skipped: [],
      });
      // A sound one that came after it ends it.
      await stage.fake.make("better.zip");
      await stage.pass(MINUTES);
      expect(await monitored(stage, 3_600)).toBe("admitted");
    });
  });

  it.each([-2 * HOUR, 2 * HOUR])(
    "is as old as it is by the relay's clock, the server's %i ms off",
    async (clockSkewMs) => {
      await onStage({ clockSkewMs, seen: false }, async (stage) => {
        await stage.fake.make("real.zip", stage.fake.now() - HOUR);
        await stage.pass(1_000);
        expect(await latest(stage, 3_700)).toMatchObject({ madeAt: "2026-11-23T11:00:00.000Z", madeAtBy: "modified" });
        expect(await monitored(stage, 3_500)).toBe("backup_overdue");
        // The server's clock is set right: what is known of the file stays.
        await stage.ended(await stage.ask(create("own.zip")));
        const { madeAt, madeAtBy } = await latest(stage);
        expect([Math.abs(Date.parse(madeAt!) - T0) < MINUTES, madeAtBy]).toEqual([true, "seen"]);
      });
    },
  );

  it("counts for whoever decides about a deletion: a newer file that is none does not stay as one", async () => {
    await onStage({}, async (stage) => {
      await stage.fake.make("real.zip");
      await stage.pass(MINUTES);
      await stage.fake.put("bad.zip", worthless());
      await stage.fake.put("old.zip", archiveOf(T0 - 730 * DAY));
      await stage.pass(MINUTES);
      const asking = stage.key({ approval: ["backups:delete"] });
      const { preview } = await stage.ask(remove("real.zip"), asking);
      expect(preview).toMatchObject({
        loses: expect.stringContaining("2 stay, 0 of them newer"),
        warnings: [expect.any(String)],
      });
    });
  });
});

describe("an expected backup", () => {
  const instance = { expect: { everySeconds: 86_400, graceSeconds: 3_600 } };
  const since = async (stage: Stage, ms: number) => {
    const before = stage.events().length;
    await stage.pass(ms);
    return stage
      .events()
      .slice(before)
      .map(({ type }) => type);
  };

  it.each([true, false])(
    "is overdue although a file dated 30 days ahead lies there (looked into: %s)",
    async (verify) => {
      await onStage({ instance: { ...instance, verify } }, async (stage) => {
        await stage.fake.make("real.zip");
        await stage.pass(MINUTES);
        await stage.fake.put("ahead.zip", archiveOf(T0 - DAY), T0 + 30 * DAY);
        expect(await since(stage, 24 * HOUR)).not.toContain("backup.overdue");
        expect(await since(stage, 2 * HOUR)).toContain("backup.overdue");
      });
    },
  );

  it("is overdue as soon as the one that came proves to be two years old", async () => {
    await onStage({ instance }, async (stage) => {
      await stage.fake.make("real.zip");
      await stage.pass(24 * HOUR);
      await stage.fake.put("old.zip", archiveOf(T0 - 730 * DAY));
      expect(await since(stage, 2 * HOUR)).toEqual(["backup.created", "backup.verified", "backup.overdue"]);
      expect(await monitored(stage, 86_400)).toBe("backup_overdue");
    });
  });

  it("has come when it was looked into and is sound, not before, and not when it is suspect or old", async () => {
    await onStage({ instance }, async (stage) => {
      expect(await since(stage, 26 * HOUR)).toEqual(["backup.overdue"]);
      await stage.fake.put("bad.zip", worthless());
      expect(await since(stage, HOUR)).toEqual(["backup.created", "backup.suspect"]);
      await stage.fake.put("old.zip", archiveOf(T0 - 730 * DAY));
      expect(await since(stage, HOUR)).toEqual(["backup.created", "backup.verified"]);
      await stage.fake.make("real.zip");
      expect(await since(stage, HOUR)).toEqual(["backup.created", "backup.verified", "backup.recovered"]);
    });
  });

  it("has come, too, when nobody could look into it, or is not to", async () => {
    for (const verify of [true, false])
      await onStage({ instance: { ...instance, verify } }, async (stage) => {
        expect(await since(stage, 26 * HOUR)).toEqual(["backup.overdue"]);
        stage.fake.faults.add({ kind: "down", on: "download" });
        await stage.fake.make("real.zip");
        expect(await since(stage, 2 * HOUR)).toEqual(["backup.created", "backup.recovered"]);
      });
  });

  it("has come when a quiet server made it, however old the writes in it are", async () => {
    await onStage({ instance }, async (stage) => {
      expect(await since(stage, 26 * HOUR)).toEqual(["backup.overdue"]);
      await stage.fake.put("@auto_pb_backup_acme_20261124140001.zip", archiveOf(T0 - 90 * DAY));
      expect(await since(stage, HOUR)).toEqual(["backup.created", "backup.verified", "backup.recovered"]);
    });
  });
});
