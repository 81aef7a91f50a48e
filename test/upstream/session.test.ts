import { describe, expect, it } from "vitest";
import type { UpstreamResult } from "../../src/upstream/backups-api.ts";
import { callSlots, queue, slots } from "../../src/upstream/call-slots.ts";
import { type SessionOptions, upstreamSession } from "../../src/upstream/session.ts";
import type { CallName } from "../harness/fake/calls.ts";
import { type FakeOptions, FakeUpstream } from "../harness/fake/upstream.ts";

const T0 = Date.UTC(2026, 10, 23, 12);

/** A fake server and a session with it, both by the test's clock. */
function setUp(options: FakeOptions = {}, more: Partial<SessionOptions> = {}) {
  const time = { now: T0 };
  const clock = () => time.now;
  const fake = new FakeUpstream({ clock, ...options });
  const make = (over: Partial<SessionOptions> = {}) =>
    upstreamSession({
      baseUrl: "https://pb.example.com",
      headers: { "x-tunnel": "t" },
      fetch: fake.fetch,
      clock,
      credential: { kind: "password", email: fake.email, password: fake.password },
      ...more,
      ...over,
    });
  const calls = () => fake.requests.map(({ call }) => call);
  const count = (call: CallName) => calls().filter((each) => each === call).length;
  return { fake, time, make, session: make(), calls, count };
}

const code = (result: UpstreamResult<unknown>) => (result.ok ? "ok" : result.error.problem.code);

describe("a logged-in view of one server", () => {
  it("logs in at the first call, once for all who wait, and keeps the token", async () => {
    const { session, count } = setUp();
    expect((await Promise.all([session.list(), session.health(), session.settings()])).map(code)).toEqual([
      "ok",
      "ok",
      "ok",
    ]);
    await session.list();
    expect(count("login")).toBe(1);
  });

  it("logs in once where that does not help, and again half a minute later", async () => {
    const { fake, time, session, count } = setUp();
    fake.faults.add({ kind: "deadToken", on: "list" });
    for (let n = 0; n < 4; n++) expect(code(await session.list())).toBe("upstream_unauthorized");
    expect(count("login")).toBe(2);
    expect(count("list")).toBe(5);
    expect(code(await session.settings())).toBe("ok");
    fake.faults.clear();
    expect(code(await session.list())).toBe("ok");
    fake.faults.add({ kind: "deadToken", on: "list" });
    time.now += 31_000;
    expect(code(await session.list())).toBe("upstream_unauthorized");
    expect(count("login")).toBe(3);
  });

  it("never logs in with a static token", async () => {
    const { fake, make, calls } = setUp();
    const session = make({ credential: { kind: "token", token: fake.impersonate() } });
    expect(code(await session.list())).toBe("ok");
    fake.revokeTokens();
    for (const answer of [
      await session.list(),
      await session.create("a.zip"),
      await session.health(),
      await session.fileToken(),
    ])
      expect(answer).toMatchObject({
        error: { problem: { code: "upstream_unauthorized" }, unauthorized: true, unclear: false },
      });
    expect(calls()).toEqual(["list", "list", "create", "health", "fileToken"]);
  });

  it("renews before the end without the password, so that nobody gets a login mail", async () => {
    const { session, time, calls } = setUp();
    await session.list();
    time.now += 86_400_000 - 11 * 60_000;
    await session.list();
    time.now += 2 * 60_000;
    await session.list();
    await session.list();
    expect(calls()).toEqual(["login", "list", "list", "refresh", "list", "list"]);
  });

  it("logs in again when renewing fails, and lives on the old token when that fails too", async () => {
    const { fake, session, time, calls } = setUp();
    await session.list();
    time.now += 86_400_000 - 60_000;
    fake.faults.add({ kind: "html", status: 502, on: ["refresh", "login"] });
    expect(code(await session.list())).toBe("ok");
    fake.faults.clear();
    fake.faults.add({ kind: "deadToken", on: "refresh" });
    expect(code(await session.list())).toBe("ok");
    expect(calls()).toEqual(["login", "list", "refresh", "login", "list", "refresh", "login", "list"]);
  });

  it("does not renew at every call where tokens live for a minute", async () => {
    const { session, time, count } = setUp({ authTokenSeconds: 60 });
    for (let at = 0; at < 40; at += 10) {
      await session.list();
      time.now += 10_000;
    }
    expect(count("login") + count("refresh")).toBe(1);
  });

  it("tries a call again exactly once with a new login after a dead token", async () => {
    const { fake, session, calls } = setUp();
    await session.list();
    fake.revokeTokens();
    expect(code(await session.create("a.zip"))).toBe("ok");
    expect(calls()).toEqual(["login", "list", "create", "login", "create"]);
    expect([...fake.world.backups.keys()]).toEqual(["a.zip"]);
    fake.faults.add({ kind: "deadToken" });
    expect(await session.create("b.zip")).toMatchObject({
      error: { problem: { code: "upstream_unauthorized" }, unauthorized: true },
    });
    expect(calls().slice(5)).toEqual(["create", "login", "create"]);
  });

  it("takes a guest's health for a dead token", async () => {
    const { fake, session, calls } = setUp();
    await session.list();
    fake.revokeTokens();
    expect(await session.health()).toMatchObject({ ok: true, value: { superuser: true } });
    expect(calls()).toEqual(["login", "list", "health", "login", "health"]);
    fake.faults.add({ kind: "deadToken", on: "health" });
    expect(code(await session.health())).toBe("upstream_unauthorized");
  });

  it("never repeats a call whose outcome is unclear", async () => {
    const { fake, session, count } = setUp();
    for (const kind of ["reset", "html"] as const) {
      fake.faults.add(
        kind === "html"
          ? { kind, status: 524, worked: true, on: "create", times: 1 }
          : { kind, worked: true, on: "create", times: 1 },
      );
      expect(await session.create(`${kind}.zip`)).toMatchObject({ ok: false, error: { unclear: true } });
    }
    expect(count("create")).toBe(2);
    expect([...fake.world.backups.keys()]).toEqual(["reset.zip", "html.zip"]);
  });

  it("rests after a refused password instead of hammering the login", async () => {
    const { fake, make, time, count } = setUp();
    const session = make({ credential: { kind: "password", email: fake.email, password: "wrong" } });
    for (let n = 0; n < 5; n++) expect(code(await session.list())).toBe("upstream_unauthorized");
    expect(count("login")).toBe(1);
    time.now += 31_000;
    await session.list();
    expect(count("login")).toBe(2);
    session.forget();
    await session.list();
    expect(count("login")).toBe(3);
    fake.world.mfa = true;
    const blocked = make();
    expect([code(await blocked.list()), code(await blocked.list())]).toEqual(["upstream_mfa", "upstream_mfa"]);
    expect(count("login")).toBe(4);
  });

  it("does not rest after a login that only failed to arrive", async () => {
    const { fake, session, count } = setUp();
    fake.faults.add({ kind: "down", on: "login", times: 1 });
    expect(code(await session.list())).toBe("upstream_unreachable");
    expect(code(await session.list())).toBe("ok");
    expect(count("login")).toBe(2);
  });

  it("works on after a restore that brought another superuser's keys, when the password is the same", async () => {
    const { fake, session, time } = setUp();
    await fake.put("other.zip", await fake.world.foreignArchive({ email: fake.email, password: fake.password }));
    expect(code(await session.restore("other.zip"))).toBe("ok");
    time.now += 1020;
    expect(code(await session.list())).toBe("upstream_unreachable");
    time.now += 1000;
    expect(code(await session.list())).toBe("ok");
  });
});

describe("file tokens", () => {
  it("are reused while they have a minute to live, and minted once for all who wait", async () => {
    const { session, time, count } = setUp();
    const first = await Promise.all(Array.from({ length: 20 }, () => session.access("download")));
    expect(new Set(first.map((each) => each.ok && each.value.token)).size).toBe(1);
    time.now += 119_000;
    await session.access("download");
    expect(count("fileToken")).toBe(1);
    time.now += 2_000;
    await session.access("download");
    expect(count("fileToken")).toBe(2);
  });

  it("are minted anew when the server turned one down, and only then", async () => {
    const { session, count } = setUp();
    const first = await session.access("download");
    const refused = first.ok ? first.value.token : "";
    const second = await session.access("download", refused);
    expect(second.ok && second.value.token !== refused).toBe(true);
    await session.access("download", refused);
    expect(count("fileToken")).toBe(2);
  });

  it("that live shorter than a minute serve their one caller", async () => {
    const { session, count } = setUp({ fileTokenSeconds: 10 });
    expect([code(await session.access("download")), code(await session.access("download"))]).toEqual(["ok", "ok"]);
    expect(count("fileToken")).toBe(2);
  });

  it("stay fresh by the server's clock, however wrong it is", async () => {
    const { session, time, count } = setUp({ clockSkewMs: 3_600_000 });
    await session.access("download");
    time.now += 150_000;
    await session.access("download");
    expect(count("fileToken")).toBe(2);
  });

  it("are forgotten with everything else", async () => {
    const { session, calls } = setUp();
    await session.access("download");
    session.forget();
    await session.access("download");
    expect(calls()).toEqual(["login", "fileToken", "login", "fileToken"]);
  });
});

describe("access for the Worker", () => {
  it("is a file token for downloads and the superuser's for uploads, with the tunnel's headers", async () => {
    const { fake, session } = setUp();
    for (const [use, kind] of [
      ["download", "file"],
      ["upload", "auth"],
    ] as const) {
      const access = await session.access(use);
      if (!access.ok) throw new Error(code(access));
      expect(access.value).toMatchObject({ baseUrl: "https://pb.example.com", headers: { "x-tunnel": "t" } });
      expect(fake.accounts.holder(access.value.token, kind)).toBe("superuser");
      expect(access.value.expires > T0).toBe(true);
    }
  });

  it("replaces a superuser's token that an upload was refused with", async () => {
    const { fake, session } = setUp();
    const first = await session.access("upload");
    fake.revokeTokens();
    const second = await session.access("upload", first.ok ? first.value.token : "");
    expect(second.ok && fake.accounts.holder(second.value.token, "auth")).toBe("superuser");
  });
});

describe("calls in flight", () => {
  it("are four at most, one kept for opening downloads; who waited long enough is told to come again", async () => {
    const { fake, session } = setUp();
    await session.list();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = new FakeUpstream({ email: fake.email, password: fake.password, sleep: () => held });
    slow.faults.add({ kind: "slow", ms: 1, on: ["list", "fileToken"] });
    const busy = upstreamSession({
      baseUrl: "https://pb.example.com",
      headers: {},
      fetch: slow.fetch,
      clock: Date.now,
      credential: { kind: "token", token: slow.impersonate() },
      queueMs: 20,
    });
    const lists = [busy.list(), busy.list(), busy.list()];
    expect(await busy.health()).toMatchObject({
      error: { problem: { code: "upstream_saturated", retryAfterSeconds: 2 }, unclear: false },
    });
    expect(await busy.create("a.zip")).toMatchObject({
      error: { problem: { code: "upstream_saturated" }, unclear: false },
    });
    const opening = [busy.access("download"), busy.access("download")];
    expect(code(await busy.access("upload"))).toBe("ok");
    expect(slow.requests.map(({ call }) => call)).toEqual(["list", "list", "list", "fileToken"]);
    release();
    expect((await Promise.all([...lists, ...opening])).map(code)).toEqual(["ok", "ok", "ok", "ok", "ok"]);
    expect(code(await busy.health())).toBe("ok");
  });

  it("wait for their turn in a burst: all get through, never more than three at once", async () => {
    let flying = 0;
    let most = 0;
    const { fake, session } = setUp({
      sleep: async () => {
        most = Math.max(most, ++flying);
        await new Promise((resolve) => setTimeout(resolve, 5));
        flying -= 1;
      },
    });
    fake.faults.add({ kind: "slow", ms: 1, on: "health" });
    const burst = await Promise.all(Array.from({ length: 12 }, () => session.health()));
    expect(burst.map(code)).toEqual(Array(12).fill("ok"));
    expect(most).toBe(3);
  });

  it("wait in a line that has an end", async () => {
    const turns = callSlots(60_000);
    let release = () => {};
    const held = new Promise<{ ok: true; value: null }>((resolve) => {
      release = () => resolve({ ok: true, value: null });
    });
    const all = Array.from({ length: slots.total - slots.reserved + queue.capacity }, () =>
      turns.run("call", () => held),
    );
    expect(code(await turns.run("call", () => held))).toBe("upstream_saturated");
    release();
    expect((await Promise.all(all)).map(code)).toEqual(all.map(() => "ok"));
  });

  it("free their place when they fail", async () => {
    const { fake, session } = setUp();
    fake.faults.add({ kind: "down", on: "list" });
    for (let n = 0; n < 10; n++) expect(code(await session.list())).toBe("upstream_unreachable");
    expect(code(await session.health())).toBe("ok");
  });

  it("let a caller go whose signal ends, while the shared login goes on for the others", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { fake, session } = setUp({ sleep: () => held });
    fake.faults.add({ kind: "slow", ms: 1, on: "login" });
    const patient = session.list();
    const cut = new AbortController();
    const hasty = session.list(cut.signal);
    cut.abort();
    expect(code(await hasty)).toBe("upstream_timeout");
    release();
    expect(code(await patient)).toBe("ok");
  });
});
