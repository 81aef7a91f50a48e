import { describe, expect, it } from "vitest";
import type { Operation } from "../../../src/operations/operation.ts";
import { database } from "../../harness/archive/database.ts";
import { zip } from "../../harness/archive/zip.ts";
import type { Fault } from "../../harness/fake/faults.ts";
import { onStage, restore, restoreData, type Stage, type StageOptions, T0 } from "../../harness/instance-parts.ts";

/** Names of safety backups hold a time and a random part. */
const plain = (told: string[]) => told.map((line) => line.replace(/pre_restore_\w+/, "SAFETY"));

const SAFETY = ["backup.created SAFETY.zip", "backup.verified SAFETY.zip"];
const noCanary = (stage: Stage) => expect([...stage.fake.world.canaries]).toEqual([]);

async function restored(
  options: StageOptions & { faults?: Fault[]; file?: (stage: Stage) => Promise<void> },
  look: (stage: Stage, ended: Operation) => void | Promise<void>,
) {
  const { faults = [], file, ...server } = options;
  await onStage({ seen: false, ...server }, async (stage) => {
    if (file) await file(stage);
    else await stage.fake.make("a.zip", T0 - 3_600_000);
    await stage.pass(1_000);
    stage.fake.faults.add(...faults);
    const asked = await stage.ask(restore("a.zip"));
    await look(stage, await stage.ended(asked));
  });
}

const steps = (operation: Operation) => operation.steps.map(({ name, state }) => `${name} ${state}`);

describe("a restore ends in what really happened", () => {
  it("completed: the canary is gone, the safety backup is there, and each fact is told once", async () => {
    await restored({}, async (stage, ended) => {
      expect([ended.state, ended.error]).toEqual(["succeeded", null]);
      expect(steps(ended)).toEqual([
        "preflight done",
        "safety done",
        "confirm done",
        "canary done",
        "sent done",
        "watch done",
        "cleanup done",
      ]);
      expect(ended.result).toMatchObject({ evidence: "canary", safetyBackup: restoreData(ended).safetyKey });
      expect(plain(stage.told()).sort()).toEqual(
        [...SAFETY, "restore.accepted a.zip", "restore.completed a.zip"].sort(),
      );
      expect(stage.calls("restore")).toBe(1);
      await stage.pass(3_600_000);
      expect(stage.told()).toHaveLength(4);
    });
  });

  it.each<[string, Fault[], string]>([
    ["a server that says yes and does nothing", [{ kind: "lyingRestore" }], "The server's log showed no reason."],
    [
      "a server that fails and does not say so",
      [{ kind: "silentRestoreFailure" }],
      "The server's log showed no reason.",
    ],
    [
      "an answer lost on the way, and nothing done",
      [{ kind: "reset", on: "restore" }],
      "The restore failed; the server kept its data.",
    ],
  ])("failed: %s", async (_case, faults, message) => {
    await restored({ faults }, (stage, ended) => {
      expect(ended.state).toBe("failed");
      expect(ended.error).toMatchObject({ code: "restore_failed" });
      expect(ended.error?.message).toContain(message);
      const accepted = faults[0]!.kind === "reset" ? [] : ["restore.accepted a.zip"];
      expect(plain(stage.told()).sort()).toEqual([...SAFETY, ...accepted, "restore.failed a.zip"].sort());
      expect(stage.calls("restore")).toBe(1);
      noCanary(stage);
    });
  });

  it("completed although the answer was lost behind a proxy's page", async () => {
    await restored({ faults: [{ kind: "html", status: 524, worked: true, on: "restore" }] }, (stage, ended) => {
      expect(ended.state).toBe("succeeded");
      expect(plain(stage.told())).not.toContain("restore.accepted a.zip");
      expect(stage.calls("restore")).toBe(1);
    });
  });

  it.each([0, -3_600_000, 3_600_000])(
    "failed with the log's reason, the server's clock %i ms off",
    async (clockSkewMs) => {
      const damaged = async ({ fake }: Stage) => {
        const bytes = zip([
          { name: "data.db", data: database({ pages: 4 }) },
          { name: "storage/a.bin", data: database({ pages: 8 }).slice(4096) },
        ]);
        bytes[Math.floor(bytes.length / 2)]! ^= 0xff;
        await fake.put("a.zip", bytes, fake.now() - 60_000);
        // An earlier failure of the same file, for another reason, must not be taken for this one.
        fake.world.log.add(fake.now() - 30_000, 8, "Failed to restore backup", {
          key: "a.zip",
          error: "busy: try again later",
        });
      };
      await restored({ clockSkewMs, file: damaged }, (stage, ended) => {
        expect(ended.state).toBe("failed");
        expect(ended.error?.message).toBe(
          "The restore failed; the server kept its data. The archive is damaged inside.",
        );
        expect(plain(stage.told()).filter((line) => line.startsWith("restore."))).toEqual([
          "restore.accepted a.zip",
          "restore.failed a.zip",
        ]);
        noCanary(stage);
      });
    },
  );

  it("unknown when the server never comes back, with the way back; the canary goes when it does after all", async () => {
    await restored({ faults: [{ kind: "neverComesBack", on: "restore" }] }, async (stage, ended) => {
      expect([ended.state, ended.error?.code]).toEqual(["unknown", "restore_unknown"]);
      const way = (ended.result!.steps as string[]).join("\n");
      expect(way).toContain("pb_data/.pb_temp_to_delete/old_pb_data_");
      expect(way).toContain(restoreData(ended).safetyKey);
      expect(stage.told()).toContain("restore.unknown a.zip");
      expect(stage.time.now - restoreData(ended).sentAt!).toBeGreaterThanOrEqual(600_000);
      await stage.pass(600_000);
      expect(stage.told().filter((line) => line.startsWith("instance."))).toEqual(["instance.unreachable"]);
      stage.fake.world.downUntil = 0;
      await stage.pass(300_000);
      expect(stage.told().filter((line) => line.startsWith("instance."))).toEqual([
        "instance.unreachable",
        "instance.reachable",
      ]);
      noCanary(stage);
    });
  });

  it("completed when it brought other accounts: by the dead token, and then the credential is said to be refused", async () => {
    const foreign = async ({ fake }: Stage) =>
      fake.put(
        "a.zip",
        await fake.world.foreignArchive({ email: "other@example.com", password: "another one" }),
        T0 - 60_000,
      );
    await restored({ file: foreign }, async (stage, ended) => {
      expect([ended.state, ended.result?.evidence]).toEqual(["succeeded", "dead_token"]);
      await stage.pass(600_000);
      expect(stage.told().filter((line) => line.startsWith("instance."))).toEqual(["instance.unauthorized"]);
    });
  });

  it("goes on with the stored password when it brought other keys, and looks at the canary with it", async () => {
    const foreign = async ({ fake }: Stage) =>
      fake.put("a.zip", await fake.world.foreignArchive({ email: fake.email, password: fake.password }), T0 - 60_000);
    await restored({ file: foreign }, async (stage, ended) => {
      expect([ended.state, ended.result?.evidence]).toEqual(["succeeded", "canary"]);
      await stage.pass(600_000);
      expect(stage.told().filter((line) => line.startsWith("instance."))).toEqual([]);
    });
  });

  it("goes on with the credential before the present one when the backup is older than the change", async () => {
    await restored({}, async (stage) => {
      const { fake } = stage;
      const before = { email: fake.email, password: fake.password };
      await fake.put("old.zip", await fake.world.foreignArchive(before), stage.time.now - 60_000);
      Object.assign(fake.world.superuser, { password: "a new password" });
      fake.revokeTokens();
      await stage.ask({
        do: "instance.change",
        credential: { kind: "password", email: fake.email, password: fake.password },
      });
      await stage.pass(20_000);
      const ended = await stage.ended(await stage.ask(restore("old.zip")));
      expect([ended.state, ended.result?.evidence]).toEqual(["succeeded", "canary"]);
      await stage.pass(600_000);
      expect(stage.told()).not.toContain("instance.unauthorized");
      expect((await stage.parts.server.connect()).ok).toBe(true);
      noCanary(stage);
    });
  });

  it("never restores without a safety backup that is whole", async () => {
    await restored({ faults: [{ kind: "failedCreate", on: "create" }] }, (stage, ended) => {
      expect([ended.state, ended.error?.code]).toEqual(["failed", "safety_backup_failed"]);
      expect(stage.calls("restore")).toBe(0);
      expect(plain(stage.told())).toEqual(["restore.failed a.zip"]);
      noCanary(stage);
    });
  });

  it("works on a store whose lists lag, and on one whose every other list is empty", async () => {
    await restored({ s3: true, faults: [{ kind: "listLag", ms: 10_000 }] }, (stage, ended) => {
      expect([ended.state, ended.error]).toEqual(["succeeded", null]);
      expect(plain(stage.told()).filter((line) => line.startsWith("backup.created"))).toHaveLength(1);
    });
    await restored({ faults: [{ kind: "flapping", after: 1 }] }, async (stage, ended) => {
      expect(["succeeded", "failed"]).toContain(ended.state);
      await stage.pass(600_000);
      expect(new Set(stage.told()).size).toBe(stage.told().length);
      expect(stage.told().filter((line) => line.startsWith("backup.deleted"))).toEqual([]);
      noCanary(stage);
    });
  });

  it.each([
    ["its own backup", []],
    ["a backup with a data.db that PocketBase left", [{ name: "data.db", data: database({ pages: 4 }) }]],
  ])("is refused on BosBase in words of its own, before anything is done: %s", async (_case, files) => {
    const file = ({ fake }: Stage) => fake.put("a.zip", zip(files), T0 - 60_000);
    await restored({ version: "bosbase", file }, async (stage, ended) => {
      expect([ended.state, ended.error?.code]).toEqual(["failed", "restore_files_only"]);
      expect(stage.calls("create") + stage.calls("restore")).toBe(0);
      await stage.fake.put("b.zip", zip(files));
      await stage.pass(600_000);
      expect(stage.told()).toEqual(["restore.failed a.zip", "backup.created b.zip", "backup.verified b.zip"]);
      expect(stage.events()[2]?.data).toMatchObject({ level: "L1", archive: { database: null } });
    });
  });
});
