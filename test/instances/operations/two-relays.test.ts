import { describe, expect, it } from "vitest";
import { onStage, restore, type Stage, T0 } from "../../harness/instance-parts.ts";

/** A stage with one backup to restore; `other` does what another relay would. */
async function besides(play: (stage: Stage, other: Map<string, string>) => Promise<void>) {
  await onStage({ seen: false, instance: { verify: false } }, async (stage) => {
    await stage.fake.make("a.zip", T0 - 60_000);
    await stage.pass(1_000);
    await play(stage, stage.fake.world.canaries);
  });
}

describe("two relays that restore one server", () => {
  it("the one that sees the other's canary sends nothing", async () => {
    await besides(async (stage, canaries) => {
      const held = stage.hold("canary");
      const asked = await stage.ask(restore("a.zip"));
      const release = await held;
      canaries.set("theirs", "relay-qrstuvwx-0123456789abcdef");
      release();
      const ended = await stage.ended(asked);
      expect([ended.state, ended.error?.code]).toEqual(["failed", "restore_contended"]);
      expect(stage.calls("restore")).toBe(0);
      expect([...canaries.keys()]).toEqual(["theirs"]);
    });
  });

  it("an own canary that was left behind stops no restore", async () => {
    await besides(async (stage, canaries) => {
      canaries.set("left", `relay-${stage.parts.configuration.own.id}-0123456789abcdef`);
      expect((await stage.ended(await stage.ask(restore("a.zip")))).state).toBe("succeeded");
    });
  });

  it("a restore whose canary is gone before it is sent is not sent: the data is another's", async () => {
    await besides(async (stage, canaries) => {
      const held = stage.hold("canary");
      const asked = await stage.ask(restore("a.zip"));
      const plant = await held;
      const looking = stage.hold("canary");
      plant();
      const look = await looking;
      canaries.clear();
      look();
      const ended = await stage.ended(asked);
      expect([ended.state, ended.error?.code]).toEqual(["failed", "restore_contended"]);
      expect(stage.calls("restore")).toBe(0);
    });
  });

  it("a foreign canary that shows once the request left makes the outcome unknown, with what to look at", async () => {
    await besides(async (stage, canaries) => {
      const held = stage.hold("restore");
      const asked = await stage.ask(restore("a.zip"));
      const release = await held;
      canaries.set("theirs", "relay-0123456789abcdef");
      release();
      const ended = await stage.ended(asked);
      expect([ended.state, ended.error?.code]).toEqual(["unknown", "restore_unknown"]);
      expect(ended.error?.message).toContain("Another restore was under way");
      expect(stage.told()).toContain("restore.unknown a.zip");
      expect(stage.told()).not.toContain("restore.completed a.zip");
    });
  });

  it("a restore of somebody else's in the log of the restored server makes it unknown", async () => {
    await besides(async (stage) => {
      const asked = await stage.ask(restore("a.zip"));
      await stage.reached(asked, "watch");
      const { log } = stage.fake.world;
      const { replace } = log;
      // As soon as this restore is done, another one is accepted.
      log.replace = (rows) => {
        replace.call(log, rows);
        log.delayMs = 0;
        const data = { method: "POST", url: "/api/backups/b.zip/restore", status: 204 };
        log.add(stage.fake.now(), 0, "POST /api/backups/b.zip/restore", data);
      };
      const ended = await stage.ended(asked);
      expect([ended.state, ended.error?.code]).toEqual(["unknown", "restore_unknown"]);
    });
  });

  it("a check warns of a second relay, and not of itself", async () => {
    await onStage({ seen: true }, async (stage) => {
      const codes = async () => {
        await stage.pass(10_000);
        return (await stage.ask({ do: "instance.check" })).warnings.map(({ code }) => code);
      };
      expect(await codes()).not.toContain("second_relay");
      const headers = { "User-Agent": "backup-relay (qrstuvwx)" };
      await stage.fake.fetch("http://127.0.0.1:8090/api/backups", { headers });
      expect(await codes()).toContain("second_relay");
      await stage.pass(16 * 60_000);
      expect(await codes()).not.toContain("second_relay");
    });
  });
});
