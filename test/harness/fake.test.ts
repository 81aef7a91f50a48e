import { describe, expect, it } from "vitest";
import { utf8 } from "../../src/base/encoding.ts";
import { type UpstreamSession, upstreamSession } from "../../src/upstream/session.ts";
import { database } from "./archive/database.ts";
import { zip } from "./archive/zip.ts";
import { generated, sha256Of } from "./fake/content.ts";
import { type FakeOptions, FakeUpstream } from "./fake/upstream.ts";

const T0 = Date.UTC(2026, 10, 23, 12);

function setUp(options: FakeOptions = {}) {
  const time = { now: T0 };
  const clock = () => time.now;
  const fake = new FakeUpstream({ clock, ...options });
  const session = upstreamSession({
    baseUrl: "https://pb.example.com",
    headers: {},
    fetch: fake.fetch,
    clock,
    credential: { kind: "token", token: fake.impersonate() },
  });
  return { fake, time, session };
}

const keys = async (session: UpstreamSession) => {
  const listing = await session.list();
  return listing.ok ? listing.value.items.map(({ key }) => key) : listing.error.problem.code;
};

/** The canary's verdict and the server's state once everything is over. */
async function restored(session: UpstreamSession, time: { now: number }, key: string) {
  const planted = await session.plantCanary("x");
  const id = planted.ok ? planted.value.id : "";
  const accepted = await session.restore(key);
  time.now += 5000;
  const health = await session.health();
  const canary = await session.canaryPresent(id);
  const rows = await session.restoreFailures(T0);
  return [
    accepted.ok,
    health.ok ? health.value.idle : health.error.problem.code,
    canary.ok ? canary.value : canary.error.problem.code,
    rows.ok ? rows.value.map(({ cause }) => cause.code) : rows.error.problem.code,
  ];
}

describe("the fake's restores", () => {
  it("show the lock and the outage when a real server does", async () => {
    const { fake, time, session } = setUp();
    await fake.make("a.zip");
    await session.restore("a.zip");
    const seen: unknown[] = [];
    for (const at of [0, 999, 1005, 1015, 1060]) {
      time.now = T0 + at;
      const health = await session.health();
      seen.push(health.ok ? health.value.idle : health.error.problem.code);
    }
    expect(seen).toEqual([true, true, false, "upstream_unreachable", true]);
  });

  it("end as the archive deserves", async () => {
    const entry = (name: string, data = database({ pages: 2 })) => ({ name, data });
    const broken = zip([entry("data.db")]);
    broken[60]! ^= 0xff;
    const table: [string, Uint8Array<ArrayBuffer>, unknown[]][] = [
      ["no database", zip([entry("sub/data.db")]), [true, true, true, ["database_missing"]]],
      ["torn", zip([entry("data.db")]).slice(0, 100), [true, true, true, ["not_an_archive"]]],
      ["bad bytes", broken, [true, true, true, ["damaged"]]],
      ["zip slip", zip([entry("../data.db")]), [true, true, true, ["unsafe_path"]]],
      [
        "not SQLite",
        zip([entry("data.db", utf8("garbage"))]),
        [true, "upstream_unreachable", "upstream_unreachable", "upstream_unreachable"],
      ],
      [
        "empty database",
        zip([entry("data.db", new Uint8Array(0))]),
        [true, "upstream_unauthorized", false, "upstream_unauthorized"],
      ],
      ["another server's", zip([entry("data.db")]), [true, "upstream_unauthorized", false, "upstream_unauthorized"]],
    ];
    for (const [name, bytes, wanted] of table) {
      const { fake, time, session } = setUp();
      await fake.put("a.zip", bytes);
      expect([name, await restored(session, time, "a.zip")]).toEqual([name, wanted]);
    }
    const { fake, time, session } = setUp();
    await fake.make("a.zip");
    expect(await restored(session, time, "a.zip")).toEqual([true, true, false, []]);
  });

  it("fail when a create takes the lock in the first second, or the file is gone by then", async () => {
    const { fake, time, session } = setUp({ pace: { create: 4000 }, sleep: async () => {} });
    await fake.make("a.zip");
    await session.restore("a.zip");
    await session.create("b.zip");
    time.now += 9000;
    expect(await session.restoreFailures(T0)).toMatchObject({ value: [{ key: "a.zip", cause: { code: "busy" } }] });
    await session.restore("b.zip");
    await session.delete("b.zip");
    time.now += 5000;
    expect(await session.restoreFailures(T0 + 5000)).toMatchObject({
      value: [{ key: "b.zip", cause: { code: "unknown" } }],
    });
  });

  it("lie, fail in silence and never come back by name", async () => {
    for (const [kind, wanted] of [
      ["lyingRestore", [true, true, true, []]],
      ["silentRestoreFailure", [true, true, true, []]],
      ["neverComesBack", [true, "upstream_unreachable", "upstream_unreachable", "upstream_unreachable"]],
    ] as const) {
      const { fake, time, session } = setUp();
      await fake.make("a.zip");
      fake.faults.add({ kind });
      expect([kind, await restored(session, time, "a.zip")]).toEqual([kind, wanted]);
    }
  });

  it("of BosBase fail without a database and keep every record with one", async () => {
    const { fake, time, session } = setUp({ version: "bosbase" });
    await fake.make("own.zip");
    expect(await restored(session, time, "own.zip")).toEqual([true, true, true, ["database_missing"]]);
    await fake.put("any.zip", zip([{ name: "data.db", data: utf8("garbage") }]));
    expect((await restored(session, time, "any.zip")).slice(0, 3)).toEqual([true, true, true]);
  });
});

describe("the fake's creates", () => {
  it("hold the lock, show their temporary file and outlive a lost answer", async () => {
    const { fake, time, session } = setUp({ pace: { create: 2000 }, sleep: async () => {} });
    fake.faults.add({ kind: "reset", worked: true, on: "create", times: 1 });
    expect(await session.create("a.zip")).toMatchObject({ ok: false, error: { unclear: true } });
    expect(await session.create("b.zip")).toMatchObject({ error: { problem: { code: "upstream_busy" } } });
    expect(await session.delete("a.zip")).toMatchObject({ error: { problem: { code: "backup_in_use" } } });
    time.now += 1500;
    expect(await keys(session)).toEqual(["a.zip.18ea85040c3adb89.tmp"]);
    time.now += 1000;
    expect(await keys(session)).toEqual(["a.zip"]);
    expect(await session.health()).toMatchObject({ value: { idle: true } });
  });

  it("leave nothing when the work was not done, and lie with a 204 or a 400 by name", async () => {
    const { fake, session } = setUp();
    fake.faults.add({ kind: "html", status: 524, on: "create", times: 1 });
    fake.faults.add({ kind: "hollowCreate", after: 1, times: 1 });
    expect(await session.create("a.zip")).toMatchObject({ error: { problem: { code: "upstream_timeout" } } });
    expect((await session.create("b.zip")).ok).toBe(true);
    expect(await keys(session)).toEqual([]);
    fake.faults.add({ kind: "failedCreate", stored: true, times: 1 });
    expect(await session.create("c.zip")).toMatchObject({
      error: { problem: { code: "create_failed" }, unclear: true },
    });
    expect(await keys(session)).toEqual(["c.zip"]);
  });

  it("by the server's own job are backups, or rows in its log", async () => {
    const { fake, time, session } = setUp();
    await fake.cron();
    expect(await keys(session)).toEqual(["@auto_pb_backup_acme_20261123120000.zip"]);
    fake.world.lock = "x.zip";
    time.now += 1000;
    await fake.cron();
    time.now += 5000;
    expect(await session.cronFailures(T0)).toMatchObject({
      value: [{ name: "@auto_pb_backup_acme_20261123120001.zip" }],
    });
  });
});

describe("the fake's lists", () => {
  it("lag and flap by name", async () => {
    const { fake, time, session } = setUp({ s3: true });
    await fake.make("a.zip");
    fake.faults.add({ kind: "listLag", ms: 5000 });
    expect(await keys(session)).toEqual([]);
    time.now += 6000;
    expect(await keys(session)).toEqual(["a.zip"]);
    fake.faults.clear("listLag");
    fake.faults.add({ kind: "flapping" });
    expect([await keys(session), await keys(session)].flat()).toEqual(["a.zip"]);
  });

  it("say what S3 says: whole seconds, and 204 for a delete of nothing", async () => {
    const { fake, time, session } = setUp({ s3: true });
    time.now += 123;
    await fake.make("a.zip");
    expect(await session.list()).toMatchObject({ value: { items: [{ modified: "2026-11-23 12:00:00.000Z" }] } });
    expect((await session.delete("missing.zip")).ok).toBe(true);
  });
});

describe("generated content", () => {
  it("depends on seed, size and position alone", () => {
    const content = generated(5, 200_000);
    expect(sha256Of(content)).toBe(sha256Of(generated(5, 200_000)));
    expect(new Set([generated(6, 200_000), generated(5, 200_001), content].map(sha256Of)).size).toBe(3);
    const whole = content.read(0, 200_000);
    for (const [at, length] of [
      [0, 1],
      [65_535, 2],
      [65_536, 70_000],
      [199_999, 50],
    ] as const)
      expect(content.read(at, length)).toEqual(whole.slice(at, at + length));
    expect(content.read(0, 65_536)).not.toEqual(content.read(65_536, 65_536));
  });
});
