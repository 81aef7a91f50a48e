import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it } from "vitest";
import { KEY_PATTERN } from "../../../src/access/token.ts";
import { type Answer, anInstance, call, clock, countWrites, rows, type TestInstance } from "../../harness/worker.ts";

afterEach(() => clock.reset());

const DAY = 86_400_000;
const login = (password: string) =>
  call("/api/collections/_superusers/auth-with-password", { as: null, body: { identity: "any", password } });
const list = (as: string) => call("/api/backups", { as, address: "203.0.113.200" });
const patch = (id: string, body: unknown, more: { as?: string; instance?: string }) =>
  call(`/v1/keys/${id}`, { method: "PATCH", body, ...more });
const outcome = ({ status, json }: Answer) => [status, json?.code ?? null];

describe("a minted key", () => {
  it("shows its text once, and everything else later", async () => {
    const { mint, admin } = await anInstance();
    const minted = await mint({ preset: "operator", note: "a note", networks: ["192.0.2.7/24"] });
    expect(minted.key).toMatch(KEY_PATTERN);
    expect(minted).toMatchObject({
      parent: null,
      principal: minted.id,
      preset: "operator",
      networks: ["192.0.2.0/24"],
      quotas: { "backups:create": 24, "backups:upload": 10, "backups:delete": 5, "backups:restore": 1 },
      disabled: false,
      createdBy: "admin",
      lastUsed: null,
      uses: 0,
    });
    const read = await admin(`/v1/keys/${minted.id}`);
    const { key: _key, ...shown } = minted;
    expect(read.json).toEqual(shown);
    expect(Object.keys(read.json)).not.toEqual(expect.arrayContaining(["digest", "generation", "key"]));
  });

  it.each([
    ["neither preset nor scopes", { name: "x" }, "scopes"],
    ["an unknown scope", { name: "x", scopes: ["backup:list"] }, "scopes.0"],
    ["an unknown preset", { name: "x", preset: "root" }, "preset"],
    ["an unknown field", { name: "x", preset: "robot", quota: {} }, "quota"],
    [
      "a quota of an unknown scope",
      { name: "x", preset: "robot", quotas: { "backups:make": 1 } },
      "quotas.backups:make",
    ],
    ["a pattern that is none", { name: "x", preset: "robot", patterns: [""] }, "patterns"],
    ["a network that is none", { name: "x", preset: "robot", networks: ["10.0.0.0/33"] }, "networks"],
    ["an expiry in the past", { name: "x", preset: "robot", expires: "2020-01-01T00:00:00Z" }, "expires"],
    ["a time without a zone", { name: "x", preset: "robot", expires: "2099-01-01T00:00:00" }, "expires"],
    ["no name", { preset: "robot" }, "name"],
  ])("is refused with %s, by the field's name", async (_what, body, field) => {
    const { admin } = await anInstance();
    const answer = await admin("/v1/keys", { body });
    expect(outcome(answer)).toEqual([400, "invalid_request"]);
    expect(Object.keys(answer.json.data)).toEqual([field]);
  });

  it("is minted by a key within its own rights, three deep at most", async () => {
    const { mint } = await anInstance();
    const root = await mint({
      scopes: ["backups:list", "keys:write"],
      expires: new Date(Date.now() + DAY).toISOString(),
    });
    const wide = await call("/v1/keys", {
      as: root.key,
      body: { name: "x", scopes: ["backups:list", "backups:delete"] },
    });
    expect(outcome(wide)).toEqual([403, "rights_exceeded"]);
    expect(Object.keys(wide.json.data)).toEqual(["scopes"]);
    const late = await call("/v1/keys", {
      as: root.key,
      body: { name: "x", scopes: ["backups:list"], expires: new Date(Date.now() + 2 * DAY).toISOString() },
    });
    expect(Object.keys(late.json.data)).toEqual(["expires"]);
    const named = await call("/v1/keys", {
      as: root.key,
      body: { name: "x", scopes: ["backups:list"], principal: "somebody" },
    });
    expect(Object.keys(named.json.data)).toEqual(["principal"]);

    const child = await mint({ scopes: ["backups:list", "keys:write"] }, root.key);
    expect(child).toMatchObject({ parent: root.id, principal: root.id, createdBy: `key:${root.id}` });
    expect((child as unknown as { expires: string }).expires).toBe((root as unknown as { expires: string }).expires);
    const grandchild = await mint({ scopes: ["backups:list", "keys:write"] }, child.key);
    const deeper = await call("/v1/keys", { as: grandchild.key, body: { name: "x", scopes: ["backups:list"] } });
    expect(outcome(deeper)).toEqual([400, "lineage_too_deep"]);
    expect(outcome(await list(grandchild.key))).toEqual([200, null]);
  });
});

describe("changing keys", () => {
  it("is for keys above and the administrator: never oneself, never others (SECURITY 2)", async () => {
    const { mint, admin, name } = await anInstance();
    const owner = await mint({ preset: "owner" });
    const child = await mint({ preset: "owner" }, owner.key);
    const stranger = await mint({ preset: "owner" });
    const calls: [string, string, unknown?][] = [
      ["PATCH", "", { note: "changed" }],
      ["POST", "/rotate", {}],
      ["DELETE", ""],
    ];
    for (const [method, path, body] of calls) {
      const by = (as: string, id: string) => call(`/v1/keys/${id}${path}`, { method, body, as });
      expect(outcome(await by(owner.key, owner.id)), method).toEqual([403, "own_key"]);
      expect(outcome(await by(child.key, owner.id)), method).toEqual([404, "key_not_found"]);
      expect(outcome(await by(stranger.key, child.id)), method).toEqual([404, "key_not_found"]);
      expect(outcome(await by(owner.key, "AAAAAAAAAA")), method).toEqual([404, "key_not_found"]);
    }
    expect((await patch(child.id, { note: "changed" }, { as: owner.key })).json.note).toBe("changed");
    expect((await patch(owner.id, { note: "by admin" }, { instance: name })).json.note).toBe("by admin");
    expect((await admin(`/v1/keys/${child.id}`)).json.note).toBe("changed");
    expect(outcome(await call(`/v1/keys/${child.id}`, { as: stranger.key }))).toEqual([404, "key_not_found"]);
    expect((await call(`/v1/keys/${owner.id}`, { as: owner.key })).status).toBe(200);
  });

  it("is a merge patch: null takes a limit away, what is left out stays", async () => {
    const { mint, name } = await anInstance();
    const { id } = await mint({
      preset: "robot",
      patterns: ["a*"],
      networks: ["192.0.2.1"],
      ratePerMinute: 5,
      note: "n",
      expires: "2099-01-01T00:00:00Z",
    });
    const changed = await patch(
      id,
      { patterns: null, networks: null, ratePerMinute: null, quotas: null, expires: null, note: null },
      { instance: name },
    );
    expect(changed.json).toMatchObject({
      patterns: ["*"],
      networks: [],
      ratePerMinute: null,
      quotas: {},
      expires: null,
      note: "",
      scopes: ["backups:list", "backups:create"],
    });
    expect(outcome(await patch(id, { scopes: [] }, { instance: name }))).toEqual([400, "invalid_request"]);
    expect((await patch(id, { preset: "owner" }, { instance: name })).json.data).toHaveProperty("preset");
    expect((await patch(id, {}, { instance: name })).status).toBe(200);
  });

  it("never widens beyond the keys above, not by the administrator either", async () => {
    const { mint, name } = await anInstance();
    const root = await mint({ scopes: ["backups:list", "keys:write"] });
    const child = await mint({ scopes: ["backups:list"] }, root.key);
    for (const more of [{ as: root.key }, { instance: name }])
      expect(outcome(await patch(child.id, { scopes: ["backups:delete"] }, more))).toEqual([403, "rights_exceeded"]);
    // A root that loses a right takes it from all below, whatever they still say.
    await patch(root.id, { scopes: ["keys:write"] }, { instance: name });
    expect(outcome(await list(child.key))).toEqual([403, "scope_missing"]);
    await patch(root.id, { scopes: ["backups:list"], patterns: ["b*"] }, { instance: name });
    expect((await list(child.key)).json).toEqual([]);
  });

  it("lets a name answer for everything below it", async () => {
    const { mint, admin, name } = await anInstance();
    const root = await mint({ preset: "owner" });
    const child = await mint({ preset: "owner" }, root.key);
    const grandchild = await mint({ preset: "robot" }, child.key);
    const principal = async (id: string) => (await admin(`/v1/keys/${id}`)).json.principal;
    await patch(root.id, { principal: "alice" }, { instance: name });
    expect([await principal(child.id), await principal(grandchild.id)]).toEqual(["alice", "alice"]);
    expect((await patch(child.id, { principal: "bob" }, { as: root.key })).json.data).toHaveProperty("principal");
  });

  it("disabled and deleted ends all below at once; enabling again brings the former back", async () => {
    const { mint, name, admin } = await anInstance();
    const root = await mint({ scopes: ["backups:list", "keys:write"] });
    const child = await mint({ scopes: ["backups:list", "keys:write"] }, root.key);
    const grandchild = await mint({ scopes: ["backups:list"] }, child.key);
    const all = async () => Promise.all([root, child, grandchild].map(async ({ key }) => (await list(key)).status));
    await patch(root.id, { disabled: true }, { instance: name });
    expect(await all()).toEqual([401, 401, 401]);
    await patch(root.id, { disabled: false }, { instance: name });
    expect(await all()).toEqual([200, 200, 200]);
    await admin(`/v1/keys/${child.id}`, { method: "DELETE" });
    expect(await all()).toEqual([200, 401, 401]);
    expect(outcome(await admin(`/v1/keys/${grandchild.id}`))).toEqual([404, "key_not_found"]);
  });
});

describe("rotating", () => {
  it("keeps the old secret until the new one is first used", async () => {
    const { mint, admin } = await anInstance();
    const old = await mint({ note: "kept", ratePerMinute: 100 });
    const oldSession = (await login(old.key)).json.token;
    const rotated = await admin(`/v1/keys/${old.id}/rotate`, { method: "POST" });
    expect(rotated.status).toBe(201);
    expect(rotated.json).toMatchObject({ id: old.id, note: "kept", ratePerMinute: 100 });
    expect(Date.parse(rotated.json.previousUntil)).toBeGreaterThan(Date.now() + DAY - 60_000);
    const statuses = async () => [
      (await list(old.key)).status,
      (await list(oldSession)).status,
      (await list(rotated.json.key)).status,
    ];
    expect(await statuses()).toEqual([200, 200, 200]);
    // That was the first use of the new one.
    expect(await statuses()).toEqual([401, 401, 200]);
    expect((await admin(`/v1/keys/${old.id}`)).json.previousUntil).toBeNull();
  });

  it("ends the old secret with its grace, and survives a kill in between", async () => {
    const { mint, admin, kill } = await anInstance();
    const old = await mint();
    const rotated = await admin(`/v1/keys/${old.id}/rotate`, { body: { graceSeconds: 60 } });
    await kill();
    expect((await list(old.key)).status).toBe(200);
    clock.forward(61_000);
    expect((await list(old.key)).status).toBe(401);
    expect((await list(rotated.json.key)).status).toBe(200);
  });

  it("revives nothing and extends nothing", async () => {
    const { mint, admin, name } = await anInstance();
    const disabled = await mint();
    await patch(disabled.id, { disabled: true }, { instance: name });
    const anew = await admin(`/v1/keys/${disabled.id}/rotate`, { method: "POST" });
    expect(anew.json.disabled).toBe(true);
    expect((await list(anew.json.key)).status).toBe(401);
    const expires = new Date(Date.now() + 60_000).toISOString();
    const ending = await mint({ expires });
    expect((await admin(`/v1/keys/${ending.id}/rotate`, { method: "POST" })).json.expires).toBe(expires);
    clock.forward(61_000);
    expect(outcome(await admin(`/v1/keys/${ending.id}/rotate`, { method: "POST" }))).toEqual([409, "key_expired"]);
    for (const graceSeconds of [-1, 604_801, 1.5, "60"])
      expect((await admin(`/v1/keys/${ending.id}/rotate`, { body: { graceSeconds } })).status).toBe(400);
  });
});

describe("reading", () => {
  it("writes no row; its count is written by the alarm within 60 s, and no kill loses what was written", async () => {
    const { mint, admin, stub, fake, kill } = await anInstance({}, { verify: false });
    await fake.make("a.zip", Date.now() - DAY);
    const { id, key } = await mint({ ratePerMinute: 1000 });
    const { token } = (await login(key)).json;
    await list(key);
    await runDurableObjectAlarm(stub);
    const before = (await admin(`/v1/keys/${id}`)).json.uses;
    const writes = await countWrites(stub);
    let uses = 0;
    for (let n = 0; n < 10; n++)
      for (const [method, path] of [
        ["GET", "/api/backups"],
        ["GET", "/v1/backups"],
        ["GET", "/v1/backups/latest"],
        ["HEAD", "/api/backups/a.zip"],
        ["GET", "/api/health"],
        ["GET", "/v1/keys/self"],
      ] as const) {
        uses++;
        const answer = await call(path, { method, as: n % 2 ? key : token, address: "192.0.2.9" });
        expect(answer.status, path).toBe(200);
      }
    expect(writes()).toEqual({ rows: 0, alarms: expect.any(Number) });
    expect(writes().alarms).toBeLessThanOrEqual(2);
    const due = await runInDurableObject(stub, (_object, { storage }) => storage.getAlarm());
    expect(due! - Date.now()).toBeLessThanOrEqual(60_000);

    const shown = (await admin(`/v1/keys/${id}`)).json;
    expect(shown.uses).toBe(before + uses);
    expect(shown.lastUsed.address).toBe("192.0.2.9");
    clock.forward(61_000);
    await runDurableObjectAlarm(stub);
    await kill();
    const after = (await admin(`/v1/keys/${id}`)).json;
    expect(after.uses).toBe(shown.uses);
    expect(after.lastUsed.at).toBe(shown.lastUsed.at);
  });
});

/** Every item of a list, two at a time. */
async function paged(from: (query: string) => Promise<Answer>, more = ""): Promise<Answer["json"][]> {
  const items = [];
  let cursor: string | null = null;
  do {
    const page: Answer = await from(`?limit=2${more}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    expect(page.status, page.text).toBe(200);
    expect(page.json.items.length).toBeGreaterThan(0);
    items.push(...page.json.items);
    cursor = page.json.nextCursor;
  } while (cursor !== null);
  return items;
}

describe("lists", () => {
  const lists = ["/v1/keys", "/v1/audit", "/v1/operations", "/v1/backups", "/v1/instances"];

  async function busy(): Promise<TestInstance & { owner: { id: string; key: string } }> {
    const instance = await anInstance({}, { verify: false });
    const owner = await instance.mint({ preset: "owner", quotas: {} });
    for (const name of ["a.zip", "b.zip", "c.zip", "d.zip", "e.zip"])
      expect((await call("/api/backups", { as: owner.key, body: { name } })).status).toBe(204);
    for (let n = 0; n < 4; n++) await instance.mint({ preset: "robot" }, owner.key);
    return { ...instance, kill: instance.kill, stub: instance.stub, owner };
  }

  it("go on where the cursor says, each item once", async () => {
    const { owner, admin } = await busy();
    for (const path of lists) {
      const by = (query: string) =>
        path === "/v1/instances" ? call(path + query) : call(path + query, { as: owner.key });
      const seen = (await paged(by)).map((item) => item.id ?? item.key);
      expect(new Set(seen).size, path).toBe(seen.length);
      const whole = await by("?limit=200");
      expect(whole.json.nextCursor, path).toBeNull();
      expect(seen, path).toEqual(whole.json.items.map((item: { id: string; key: string }) => item.id ?? item.key));
    }
    for (const sort of ["-modified", "modified", "key", "-size"]) {
      const seen = await paged((query) => admin(`/v1/backups${query}`), `&sort=${sort}`);
      expect(seen.map(({ key }) => key).sort()).toEqual(["a.zip", "b.zip", "c.zip", "d.zip", "e.zip"]);
    }
    const events = await admin("/v1/events?limit=2");
    const next = await admin(`/v1/events?limit=200&after=${events.json.nextAfter}`);
    expect(next.json.items[0].seq).toBe(3);
  });

  it("refuse a mistyped filter instead of widening the answer", async () => {
    const { admin } = await anInstance();
    const wrong: [string, string][] = [
      ["limit=0", "limit"],
      ["limit=201", "limit"],
      ["limit=many", "limit"],
      ["limits=5", "limits"],
      ["verdict=denied&state=x", ""],
      ["limit=1&limit=2", "limit"],
    ];
    for (const path of [...lists, "/v1/events"])
      for (const [query, field] of wrong) {
        const answer = await admin(`${path}?${query}`);
        expect(outcome(answer), `${path}?${query}`).toEqual([400, "invalid_request"]);
        if (field) expect(answer.json.data).toHaveProperty([field]);
      }
    for (const path of ["/v1/keys/self", "/v1/health", "/v1/events/verify"])
      expect((await admin(`${path}?x=1`)).status, path).toBe(400);
  });

  it("answer a made-up cursor without a fault", async () => {
    const { admin } = await anInstance();
    for (const path of lists)
      for (const cursor of ["x", "-1", "1.2.3", "' OR 1=1 --", "%00", "9".repeat(400)]) {
        const answer = await admin(`${path}?cursor=${encodeURIComponent(cursor)}`);
        expect([200, 400], `${path} ${cursor}: ${answer.text}`).toContain(answer.status);
      }
  });
});

describe("the audit", () => {
  const entries = async (instance: TestInstance, query = ""): Promise<Answer["json"][]> =>
    (await instance.admin(`/v1/audit?limit=200${query}`)).json.items;

  it("holds what takes data out, logins, and every call of the administrator", async () => {
    const instance = await anInstance({}, { verify: false });
    const { mint, fake, admin } = instance;
    await fake.make("a.zip");
    const { id, key } = await mint();
    const { token } = (await login(key)).json;
    const ticket = (await call("/api/files/token", { method: "POST", as: token })).json.token;
    const headers = { range: "bytes=0-9", "user-agent": "curl/8" };
    const bytes = await call(`/api/backups/a.zip?token=${ticket}`, { as: null, headers });
    expect([bytes.status, bytes.text.length]).toEqual([206, 10]);
    await call("/api/backups", { as: key, body: { name: "b.zip" } });
    await call("/api/backups/missing.zip", { method: "DELETE", as: key });
    await admin("/v1/backups");
    await admin("/v1/keys");
    const found = await entries(instance);
    const own = found.filter(({ actor }) => actor === `key:${id}`).reverse();
    expect(
      own
        .map(({ action, target, code }) => [action, target, code])
        .sort((one, other) => Number(one[2] !== null) - Number(other[2] !== null)),
    ).toEqual([
      ["session.create", "", null],
      ["ticket.create", "", null],
      ["download", "a.zip", null],
      ["backups.create", "b.zip", null],
      ["backups.delete", "missing.zip", "backup_deleted"],
    ]);
    expect(own.find(({ action }) => action === "download")).toMatchObject({
      detail: "handed over; bytes=0-9",
      userAgent: "curl/8",
      address: "198.51.100.1",
    });
    const admins = found.filter(({ actor }) => actor === "admin").map(({ action }) => action);
    for (const action of ["instance.register", "keys.create", "backups.page", "keys.list", "audit.list"])
      expect(admins).toContain(action);
    const text = JSON.stringify(found);
    for (const secret of [key, token, ticket, "token="]) expect(text).not.toContain(secret);
  });

  it("takes foreign text as data: at most 256 bytes, nothing that changes how it is shown (SECURITY 15)", async () => {
    const instance = await anInstance();
    const { key } = await instance.mint();
    const name = `${"ü".repeat(300)}.zip`;
    const headers = { "user-agent": `${"é".repeat(400)}` };
    await call(`/api/backups/${encodeURIComponent(name)}`, { method: "DELETE", as: key, headers });
    await call(`/api/backups/${encodeURIComponent("a\u202ebak\u200b.zip")}`, { method: "DELETE", as: key });
    await instance.fake.make("a.zip");
    await call("/api/backups/a.zip", { as: key, headers: { range: `bytes=${"0-1,".repeat(500)}2-3` } });
    const found = await entries(instance, `&actor=key:${(await call("/v1/keys/self", { as: key })).json.key.id}`);
    // Both deletes found nothing, so they are one row of what was denied in that minute.
    expect(found).toHaveLength(2);
    for (const entry of found)
      for (const value of Object.values(entry))
        if (typeof value === "string") expect(new TextEncoder().encode(value).length).toBeLessThanOrEqual(256);
    expect(found.find(({ action }) => action === "backups.delete")!.target).toMatch(/^ü+…$/);
    await instance.admin(`/v1/backups/${encodeURIComponent("a\u202ebak\u200b.zip")}`, { method: "DELETE" });
    const [deletion] = await entries(instance, "&actor=admin&action=backups.delete");
    expect(deletion!.target).toBe("a\\u{202e}bak\\u{200b}.zip");
  });

  it("counts denials of one kind in one row a minute", async () => {
    const instance = await anInstance();
    const { id, key } = await instance.mint({ preset: "robot" });
    const writes = await countWrites(instance.stub);
    for (let n = 0; n < 30; n++) await call("/v1/audit", { as: key });
    expect(writes().rows).toBe(1);
    await call("/api/backups/a.zip", { method: "DELETE", as: key });
    const denied = await entries(instance, "&verdict=denied");
    expect(denied.map(({ actor, code, times }) => [actor, code, times])).toContainEqual([
      `key:${id}`,
      "scope_missing",
      31,
    ]);
    await patch(id, { disabled: true }, { instance: instance.name });
    await list(key);
    const after = await entries(instance, "&verdict=denied&actor=unknown");
    expect(after).toMatchObject([{ code: "unauthenticated", detail: "disabled", times: 1, verdict: "denied" }]);
  });

  it("never loses an admitted row to denials, and keeps the newest of both", async () => {
    const instance = await anInstance();
    const { id, key } = await instance.mint({ preset: "robot" });
    await runInDurableObject(instance.stub, (_object, { storage }) => {
      for (let n = 0; n < 2_000; n++)
        storage.sql.exec(
          "INSERT INTO denials (minute, actor, code, detail, action, times, user_agent, request_id) VALUES (?, ?, 'x', 'x', 'x', 1, '', '')",
          n,
          `key:${n}`,
        );
    });
    const count = async (table: string) =>
      (await rows<{ n: number }>(instance.stub, `SELECT count(*) AS n FROM ${table}`))[0]!.n;
    const admitted = await count("audit");
    await call("/v1/audit", { as: key });
    expect(await count("denials")).toBe(2_000);
    expect(await count("audit")).toBe(admitted);
    const newest = await rows<{ actor: string }>(
      instance.stub,
      "SELECT actor FROM denials ORDER BY minute DESC LIMIT 1",
    );
    expect(newest).toEqual([{ actor: `key:${id}` }]);
  });

  it("is read page by page, newest first, denials and admitted together, and by its filters", async () => {
    const instance = await anInstance();
    const { id, key } = await instance.mint({ preset: "auditor" });
    const start = Math.ceil((Date.now() + 120_000) / 60_000) * 60_000;
    for (let minute = 0; minute < 4; minute++) {
      // On the very minute: the time that denials of that minute share.
      clock.set(start + minute * 60_000);
      await instance.admin("/v1/keys");
      await call("/v1/keys", { as: key });
      await call("/api/backups/a.zip", { method: "DELETE", as: key });
      await instance.mint({ preset: "robot" });
    }
    const by = (query: string) => call(`/v1/audit${query}`, { as: key });
    const seen = await paged(by);
    const ids = seen.map((entry) => entry.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(seen.filter(({ verdict }) => verdict === "denied").length).toBe(4);
    expect(seen.filter(({ action }) => action === "keys.list" && true).length).toBeGreaterThanOrEqual(4);
    const times = seen.map(({ at }) => Date.parse(at));
    expect(times).toEqual([...times].sort((one, other) => other - one));
    const only = async (query: string) => (await paged(by, query)).map((entry) => entry.action);
    expect(new Set(await only("&action=keys.create"))).toEqual(new Set(["keys.create"]));
    expect((await only(`&verdict=denied&actor=key:${id}`)).length).toBe(4);
    expect(new Set((await paged(by, "&verdict=allowed")).map(({ verdict }) => verdict))).toEqual(new Set(["allowed"]));
  });
});
