import { createHmac } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { mintKeyText, parseKeyText } from "../../src/access/token.ts";
import { base64url, utf8 } from "../../src/base/encoding.ts";
import { secureRandom } from "../../src/base/random.ts";
import { type Answer, anInstance, bindings, call, clock, rows } from "../harness/worker.ts";

let stranger = 0;
/** An address that nobody has used yet. */
const elsewhere = (): string => `203.0.${Math.floor(++stranger / 250)}.${(stranger % 250) + 1}`;

const login = (password: string, more: { address?: string } = {}): Promise<Answer> =>
  call("/api/collections/_superusers/auth-with-password", { as: null, body: { identity: "any", password }, ...more });
const session = async (key: string): Promise<string> => (await login(key)).json.token;
const ticket = async (key: string): Promise<string> =>
  (await call("/api/files/token", { method: "POST", as: key })).json.token;

afterEach(() => clock.reset());

/** Everything of an answer but the request's id. */
function withoutId({ status, text, headers }: Answer): string {
  const shown = [...headers].filter(([name]) => name !== "x-request-id").sort();
  return `${status} ${text.replace(/"requestId":"[^"]*"/, "")} ${JSON.stringify(shown)}`;
}

describe("a credential that is not accepted", () => {
  it("reads the same 401 whatever is wrong with it, on every route", async () => {
    const { mint, admin, name } = await anInstance();
    const good = await mint();
    const parts = parseKeyText(good.key)!;
    const forged = (ids: Partial<typeof parts>) => mintKeyText(secureRandom, { ...parts, ...ids });
    const patch = (id: string, body: unknown) => admin(`/v1/keys/${id}`, { method: "PATCH", body });

    const disabled = await mint();
    const disabledSession = await session(disabled.key);
    await patch(disabled.id, { disabled: true });
    const expired = await mint();
    const expiredSession = await session(expired.key);
    await patch(expired.id, { expires: "2020-01-01T00:00:00Z" });
    const future = await mint({ notBefore: "2099-01-01T00:00:00Z" });
    const deleted = await mint();
    await admin(`/v1/keys/${deleted.id}`, { method: "DELETE" });
    const rotated = await mint();
    await admin(`/v1/keys/${rotated.id}/rotate`, { body: { graceSeconds: 0 } });
    const root = await mint({ scopes: ["backups:list", "keys:write"] });
    const child = await mint({ scopes: ["backups:list"] }, root.key);
    await patch(root.id, { disabled: true });
    const [head, payload, signature] = (await session(good.key)).split(".") as [string, string, string];
    const unsigned = base64url(utf8('{"alg":"none","typ":"JWT"}'));

    const refused: Record<string, string | null> = {
      missing: null,
      "an empty Bearer": "Bearer ",
      garbage: "not-a-credential",
      "a wrong administrator's token": `${bindings.ADMIN_TOKEN}x`,
      "a typing error": good.key.replace(/.$/, (last) => (last === "a" ? "b" : "a")),
      "a key cut short": good.key.slice(0, -1),
      "a made-up instance": forged({ instance: "AAAAAAAA" }),
      "a made-up tag": forged({ tag: "AAAAAA" }),
      "an unknown key": forged({ keyId: "AAAAAAAAAA" }),
      "a wrong secret": forged({}),
      disabled: disabled.key,
      expired: expired.key,
      "not yet valid": future.key,
      deleted: deleted.key,
      "rotated away": rotated.key,
      "below a disabled key": child.key,
      "a session of a disabled key": disabledSession,
      "a session of an expired key": expiredSession,
      "a session with another signature": `${head}.${payload}.${signature.split("").reverse().join("")}`,
      "a session without a signature": `${unsigned}.${payload}.`,
      "a session of algorithm none": `${unsigned}.${payload}.${signature}`,
      "a ticket": await ticket(good.key),
    };
    const routes: [string, string, unknown?][] = [
      ["GET", "/api/backups"],
      ["POST", "/api/backups"],
      ["DELETE", "/api/backups/a.zip"],
      ["POST", "/api/backups/a.zip/restore"],
      ["POST", "/api/files/token"],
      ["POST", "/api/collections/_superusers/auth-refresh"],
      ["GET", "/v1/backups"],
      ["GET", "/v1/keys/self"],
      ["POST", "/v1/keys", { name: "x", preset: "robot" }],
      ["GET", "/v1/audit"],
      ["GET", "/v1/operations"],
      ["GET", "/v1/events"],
      ["GET", "/v1/instances"],
      ["POST", "/v1/instances", { name: "x" }],
      ["GET", `/v1/instances/${name}`],
    ];
    for (const [method, path, body] of routes) {
      const answers = await Promise.all(
        Object.entries(refused).map(async ([what, as]) => {
          const answer = await call(path, { method, body, as, address: elsewhere() });
          expect(answer.status, `${method} ${path}: ${what}`).toBe(401);
          return withoutId(answer);
        }),
      );
      expect([...new Set(answers)], `${method} ${path}`).toHaveLength(1);
    }
  }, 20_000);

  it("stays refused: sessions and tickets do not come alive again with a key that was off, nor with one below it", async () => {
    const { mint, admin } = await anInstance();
    const above = await mint({ scopes: ["backups:list", "backups:download", "keys:write"] });
    const key = await mint({ scopes: ["backups:list", "backups:download"] }, above.key);
    const off: [string, object, object][] = [
      [key.id, { disabled: true }, { disabled: false }],
      [above.id, { disabled: true }, { disabled: false }],
      [key.id, { expires: "2020-01-01T00:00:00Z" }, { expires: null }],
    ];
    for (const [id, end, begin] of off) {
      const [old, opens] = [await session(key.key), await ticket(key.key)];
      expect((await call("/api/backups", { as: old, address: elsewhere() })).status).toBe(200);
      await admin(`/v1/keys/${id}`, { method: "PATCH", body: end });
      await admin(`/v1/keys/${id}`, { method: "PATCH", body: begin });
      expect((await call("/api/backups", { as: key.key, address: elsewhere() })).status).toBe(200);
      expect((await call("/api/backups", { as: old, address: elsewhere() })).status).toBe(401);
      const opened = await call(`/api/backups/a.zip?token=${opens}`, { as: null, address: elsewhere() });
      expect([opened.status, opened.json.code]).toEqual([403, "ticket_refused"]);
    }
  });

  it("as a password reads as PocketBase's failed login, whatever is wrong with it", async () => {
    const { mint, admin } = await anInstance();
    const { id, key } = await mint();
    const parts = parseKeyText(key)!;
    await admin(`/v1/keys/${id}`, { method: "PATCH", body: { disabled: true } });
    const tried = ["wrong", bindings.ADMIN_TOKEN!, key, mintKeyText(secureRandom, parts), `${key.slice(0, -1)}_`];
    const answers = await Promise.all(tried.map((password) => login(password, { address: elsewhere() })));
    expect(answers.map(({ status, json }) => [status, json.message])).toEqual(
      tried.map(() => [400, "Failed to authenticate."]),
    );
    expect(new Set(answers.map(withoutId)).size).toBe(1);
  });

  it("in ?token= reads as PocketBase's one 403", async () => {
    const { mint, fake } = await anInstance();
    await fake.make("a.zip");
    const { key } = await mint();
    const list = await mint({ scopes: ["backups:list"] });
    const tried = ["", "x", key, await session(key), bindings.ADMIN_TOKEN!, `${await ticket(key)}x`];
    const answers = await Promise.all(
      tried.map((token) => call(`/api/backups/a.zip?token=${token}`, { as: null, address: elsewhere() })),
    );
    expect(new Set(answers.map(withoutId)).size).toBe(1);
    expect(answers[0]!.status).toBe(403);
    expect(answers[0]!.json.message).toBe("Insufficient permissions to access the resource.");
    expect((await call("/api/files/token", { method: "POST", as: list.key })).status).toBe(403);
  });
});

describe("what a key may not", () => {
  it("is told with the scope that is missing", async () => {
    const { mint } = await anInstance();
    const { key } = await mint({ preset: "robot" });
    const refused = await call("/api/backups/a.zip", { method: "DELETE", as: key });
    expect([refused.status, refused.json.code]).toEqual([403, "scope_missing"]);
    expect(refused.json.hint).toContain("backups:delete");
    expect(refused.json.message).toBe("The authorized record is not allowed to perform this action.");
  });

  it("is answered with its reason 60 times a minute, then with 429; what it may do goes on", async () => {
    const { mint } = await anInstance();
    const { key } = await mint({ preset: "robot" });
    const statuses: number[] = [];
    for (let n = 0; n < 62; n++) statuses.push((await call("/v1/audit", { as: key })).status);
    expect(statuses).toEqual([...Array(60).fill(403), 429, 429]);
    expect((await call("/v1/instances", { as: key })).status).toBe(429);
    expect((await call("/api/backups", { as: key })).status).toBe(200);
  });

  it("includes everything that concerns instances as such", async () => {
    const { mint, name } = await anInstance();
    const { key } = await mint({ preset: "owner" });
    for (const [method, path] of [
      ["GET", "/v1/instances"],
      ["GET", `/v1/instances/${name}`],
      ["PATCH", `/v1/instances/${name}`],
      ["DELETE", `/v1/instances/${name}?confirm=${name}`],
      ["POST", `/v1/instances/${name}/check`],
    ] as const) {
      const answer = await call(path, { method, as: key, body: method === "PATCH" ? {} : undefined });
      expect([answer.status, answer.json.code], `${method} ${path}`).toEqual([403, "admin_only"]);
    }
  });

  it("includes any other instance, by whatever name", async () => {
    const { mint, name } = await anInstance();
    const other = await anInstance();
    const { key } = await mint();
    for (const instance of [other.name, "no-such-instance", "../x"]) {
      const answer = await call("/v1/backups", { as: key, instance });
      expect([answer.status, answer.json.code]).toEqual([403, "instance_mismatch"]);
    }
    expect((await call("/v1/backups", { as: key, instance: name })).status).toBe(200);
  });

  it("is decided by the caller's address, and an unknown one is refused", async () => {
    const { mint } = await anInstance();
    const { key } = await mint({ networks: ["192.0.2.0/24", "2001:db8::/32"] });
    const from = async (address: string | null) => (await call("/api/backups", { as: key, address })).status;
    expect(await from("192.0.2.77")).toBe(200);
    expect(await from("2001:db8::1")).toBe(200);
    expect(await from("::ffff:192.0.2.5")).toBe(200);
    expect(await from("192.0.3.1")).toBe(403);
    expect(await from(null)).toBe(403);
    expect(await from("garbage")).toBe(403);
    // The caller's own text about its address counts for nothing.
    const lied = await call("/api/backups", {
      as: key,
      address: "192.0.3.1",
      headers: { "x-forwarded-for": "192.0.2.77", "x-real-ip": "192.0.2.77", forwarded: "for=192.0.2.77" },
    });
    expect([lied.status, lied.json.code]).toEqual([403, "network_refused"]);
  });

  it("is hidden: a backup outside the patterns is in no list and is not there", async () => {
    const { mint, fake } = await anInstance();
    await fake.make("nightly-1.zip");
    await fake.make("secret.zip");
    const { key } = await mint({ preset: "operator", patterns: ["nightly-*"] });
    const names = (answer: Answer) => (answer.json.items ?? answer.json).map((item: { key: string }) => item.key);
    expect(names(await call("/api/backups", { as: key }))).toEqual(["nightly-1.zip"]);
    expect(names(await call("/v1/backups", { as: key }))).toEqual(["nightly-1.zip"]);
    for (const [method, path] of [
      ["GET", "/api/backups/secret.zip"],
      ["HEAD", "/api/backups/secret.zip"],
      ["DELETE", "/api/backups/secret.zip"],
      ["POST", "/api/backups/secret.zip/restore"],
      ["DELETE", "/v1/backups/secret.zip"],
    ] as const) {
      const [hidden, missing] = [
        await call(path, { method, as: key }),
        await call(path.replace("secret", "missing"), { method, as: key }),
      ];
      expect(hidden.status, `${method} ${path}`).toBe(404);
      expect(withoutId(hidden)).toBe(withoutId(missing));
    }
    const made = await call("/api/backups", { as: key, body: { name: "other.zip" } });
    expect([made.status, made.json.code]).toEqual([403, "pattern_refused"]);
    // A generated name is none of the key's either.
    const generated = await call("/api/backups", { method: "POST", as: key });
    expect([generated.status, generated.json.code]).toEqual([403, "pattern_refused"]);
    expect(fake.requests.some((request) => ["create", "delete", "restore"].includes(request.call))).toBe(false);
  });

  it("is hidden in operations and events too, but for one's own (SECURITY 28)", async () => {
    const { mint } = await anInstance({}, { verify: false });
    const everything = await mint({ preset: "operator", quotas: {} });
    const some = await mint({ preset: "operator", patterns: ["nightly-*"], quotas: {} });
    const none = await mint({ scopes: ["backups:create"], patterns: ["nightly-*"] });
    const make = async (as: string, name: string) =>
      (await call("/v1/backups", { as, body: { name } })).json.id as string;
    const end = (id: string) => call(`/v1/operations/${id}?wait=10`, { as: everything.key });
    const [secret, nightly] = [await make(everything.key, "secret.zip"), await make(everything.key, "nightly-1.zip")];
    const own = await make(none.key, "nightly-2.zip");
    for (const id of [secret, nightly, own]) expect((await end(id)).json.state).toBe("succeeded");
    const listed = await call("/v1/operations", { as: some.key });
    expect(listed.json.items.map(({ id }: { id: string }) => id).sort()).toEqual([nightly, own].sort());
    const read = async (id: string, as: string) => (await call(`/v1/operations/${id}`, { as })).status;
    expect([await read(secret, some.key), await read(nightly, some.key)]).toEqual([404, 200]);
    // One's own needs no scope; another's does.
    expect([await read(own, none.key), await read(nightly, none.key)]).toEqual([200, 404]);
    await call("/api/backups", { as: everything.key });
    const events = (await call("/v1/events?limit=200", { as: some.key })).text;
    expect(events).toContain("nightly-1.zip");
    expect(events).not.toContain("secret.zip");
  });

  it("cannot be had by dot segments: no such path reaches the server (SECURITY 11)", async () => {
    const { mint, fake } = await anInstance();
    const { key } = await mint();
    fake.requests.length = 0;
    for (const path of [
      "/api/backups/%2e%2e",
      "/api/backups/%2E%2e/restore",
      "/api/backups/..%2f..%2fcollections",
      "/api/backups/%2e",
      "/api/backups/a%00b.zip",
      "/v1/backups/%2e%2e",
    ]) {
      const answer = await call(path, { method: "DELETE", as: key });
      expect([400, 404], path).toContain(answer.status);
    }
    expect(fake.requests.every((request) => request.path === "/api/backups")).toBe(true);
  });

  it("needs the right to delete as well for names the server prunes by (SECURITY 12)", async () => {
    const { mint } = await anInstance();
    const uploader = await mint({ scopes: ["backups:upload"] });
    for (const name of ["@auto_pb_backup_x_20260101000000.zip", "@update_1.zip", "pre_restore_1.zip"]) {
      const form = new FormData();
      form.append("file", new File([new Uint8Array([80, 75, 5, 6, ...Array(18).fill(0)])], name));
      const body = new Response(form);
      const answer = await call("/api/backups/upload", {
        as: uploader.key,
        body: new TextDecoder().decode(await body.arrayBuffer()),
        headers: { "content-type": body.headers.get("content-type")! },
      });
      expect([answer.status, answer.json.code], name).toEqual([403, "scope_missing"]);
      expect(answer.json.hint).toContain("backups:delete");
    }
  });
});

describe("limits", () => {
  const create = (as: string, name: string) => call("/api/backups", { as, body: { name } });

  it("of requests per minute are told on every answer they count for", async () => {
    const { mint } = await anInstance();
    const { key } = await mint({ ratePerMinute: 3 });
    const answers = [];
    for (let n = 0; n < 4; n++) answers.push(await call("/api/backups", { as: key }));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers.map(({ headers }) => headers.get("ratelimit-policy"))).toEqual(Array(4).fill('"rate";q=3;w=60'));
    expect(answers.map(({ headers }) => /r=(\d+);t=\d+$/.exec(headers.get("ratelimit") ?? "")?.[1])).toEqual([
      "2",
      "1",
      "0",
      "0",
    ]);
    expect(Number(answers[3]!.headers.get("retry-after"))).toBeGreaterThan(0);
    clock.forward(62_000);
    expect((await call("/api/backups", { as: key })).status).toBe(200);
  });

  it("of a key hold for all below it together", async () => {
    const { mint } = await anInstance();
    const root = await mint({ scopes: ["backups:list", "keys:write"], ratePerMinute: 4 });
    const [one, other] = [
      await mint({ scopes: ["backups:list"] }, root.key),
      await mint({ scopes: ["backups:list"], ratePerMinute: 100 }, root.key),
    ];
    expect((await call("/api/backups", { as: one.key })).status).toBe(200);
    expect((await call("/api/backups", { as: other.key })).status).toBe(200);
    expect((await call("/api/backups", { as: other.key })).status).toBe(429);
    expect((await call("/v1/keys/self", { as: root.key })).status).toBe(429);
  });

  it("of uses per day are moved by no denial, survive a restart and begin anew at midnight UTC", async () => {
    clock.set(Date.UTC(2026, 10, 24, 12));
    const instance = await anInstance();
    const { mint, admin, kill } = instance;
    const { id, key } = await mint({
      preset: "operator",
      patterns: ["a*"],
      quotas: { "backups:create": 2 },
      ratePerMinute: null,
    });
    const used = () => rows<{ used: number }>(instance.stub, "SELECT used FROM quotas WHERE key = ?", id);

    expect((await create(key, "b.zip")).json.code).toBe("pattern_refused");
    await admin(`/v1/keys/${id}`, { method: "PATCH", body: { networks: ["192.0.2.1"] } });
    expect((await create(key, "a1.zip")).json.code).toBe("network_refused");
    await admin(`/v1/keys/${id}`, { method: "PATCH", body: { networks: null, disabled: true } });
    expect((await create(key, "a1.zip")).status).toBe(401);
    await admin(`/v1/keys/${id}`, { method: "PATCH", body: { disabled: false } });
    expect(await used()).toEqual([]);

    const first = await create(key, "a1.zip");
    expect(first.status).toBe(204);
    expect(first.headers.get("ratelimit-policy")).toBe('"backups:create";q=2;w=86400');
    expect(first.headers.get("ratelimit")).toMatch(/^"backups:create";r=1;t=43\d{3}$/);
    await kill();
    expect((await create(key, "a2.zip")).status).toBe(204);
    const spent = await create(key, "a3.zip");
    expect([spent.status, spent.json.code]).toEqual([429, "quota_exhausted"]);
    expect(spent.headers.get("ratelimit")).toBe(`"backups:create";r=0;t=${spent.headers.get("retry-after")}`);
    expect(Number(spent.headers.get("retry-after"))).toBeGreaterThan(43_000);
    expect(await used()).toEqual([{ used: 2 }]);
    expect((await call("/api/backups", { as: key })).status).toBe(200);

    clock.set(Date.UTC(2026, 10, 25, 0, 0, 1));
    expect((await create(key, "a3.zip")).status).toBe(204);
    expect(await used()).toEqual([{ used: 1 }]);
  });

  it("are shown as they are left to whoever asks about themselves", async () => {
    const { mint } = await anInstance();
    const root = await mint({
      preset: "owner",
      ratePerMinute: 50,
      quotas: { "backups:create": 5, "backups:delete": 3 },
      expires: "2099-01-01T00:00:00Z",
    });
    const child = await mint(
      { scopes: ["backups:list", "backups:create"], patterns: ["a*"], quotas: { "backups:create": 9 } },
      root.key,
    );
    await create(root.key, "a1.zip");
    await create(child.key, "a2.zip");
    const { status, json } = await call("/v1/keys/self", { as: child.key });
    expect(status).toBe(200);
    expect(json.kind).toBe("key");
    expect(json.key).toMatchObject({ id: child.id, parent: root.id, expires: "2099-01-01T00:00:00.000Z" });
    expect(json.rights).toMatchObject({
      scopes: ["backups:list", "backups:create"],
      expires: "2099-01-01T00:00:00.000Z",
      notBefore: null,
      disabled: false,
      rateLeft: 46,
      quotasLeft: { "backups:create": 3 },
    });
    expect(json.rights.levels.map(({ id }: { id: string }) => id)).toEqual([child.id, root.id]);
    const self = await call("/v1/keys/self", {});
    expect(self.status === 200 ? self.json : self.json.code).toBe("instance_required");
  });
});

describe("sessions and tickets", () => {
  it("open what the key opens, in PocketBase's shape, raw or with Bearer in any case", async () => {
    const { mint, fake } = await anInstance();
    await fake.make("a.zip");
    const { id, key } = await mint();
    const logged = await login(key);
    expect(logged.status).toBe(200);
    expect(logged.json.record).toMatchObject({ id, collectionName: "_superusers", verified: true });
    const { token } = logged.json;
    for (const as of [token, `Bearer ${token}`, `bearer ${token}`, `BEARER  ${key}`, key])
      expect((await call("/api/backups", { as })).status).toBe(200);
    const open = await call(`/api/backups/a.zip?token=${await ticket(token)}`, { as: null });
    expect(open.status).toBe(200);
    const refreshed = await call("/api/collections/_superusers/auth-refresh", { method: "POST", as: token });
    expect(refreshed.status).toBe(200);
    expect((await call("/api/backups", { as: refreshed.json.token })).status).toBe(200);
  });

  it("end with the key: disabled, narrowed, rotated without grace, deleted", async () => {
    const { mint, admin, fake } = await anInstance();
    await fake.make("a.zip");
    const ways: [string, string, unknown][] = [
      ["PATCH", "", { disabled: true }],
      ["POST", "/rotate", { graceSeconds: 0 }],
      ["DELETE", "", undefined],
    ];
    for (const [method, path, body] of ways) {
      const { id, key } = await mint();
      const held = { session: await session(key), ticket: await ticket(key) };
      const list = () => call("/api/backups", { as: held.session, address: elsewhere() });
      const download = () => call(`/api/backups/a.zip?token=${held.ticket}`, { as: null, address: elsewhere() });
      expect([(await list()).status, (await download()).status]).toEqual([200, 200]);
      await admin(`/v1/keys/${id}${path}`, { method, body });
      expect([(await list()).status, (await download()).status], method).toEqual([401, 403]);
    }
    const { id, key } = await mint();
    const held = await ticket(key);
    await admin(`/v1/keys/${id}`, { method: "PATCH", body: { patterns: ["other*"] } });
    expect((await call(`/api/backups/a.zip?token=${held}`, { as: null })).status).toBe(404);
    await admin(`/v1/keys/${id}`, { method: "PATCH", body: { patterns: null, scopes: ["backups:list"] } });
    expect((await call(`/api/backups/a.zip?token=${held}`, { as: null })).status).toBe(403);
  });

  it("last a day and 180 s, never longer than the key, and renewals 30 days from the login", async () => {
    const start = Date.UTC(2026, 10, 24, 12);
    clock.set(start);
    const { mint, fake } = await anInstance();
    await fake.make("a.zip");
    const { key } = await mint();
    const status = async (as: string) => (await call("/api/backups", { as, address: elsewhere() })).status;
    const renew = async (as: string) =>
      (await call("/api/collections/_superusers/auth-refresh", { method: "POST", as, address: elsewhere() })).json;
    let held = await session(key);
    const short = await ticket(key);
    clock.set(start + 179_000);
    expect((await call(`/api/backups/a.zip?token=${short}`, { as: null })).status).toBe(200);
    clock.set(start + 181_000);
    expect((await call(`/api/backups/a.zip?token=${short}`, { as: null, address: elsewhere() })).status).toBe(403);
    clock.set(start + 86_401_000);
    expect(await status(held)).toBe(401);

    held = await session(key);
    const login = Date.now();
    for (let renewals = 1; renewals < 40; renewals++) {
      clock.set(login + renewals * 64_800_000);
      held = (await renew(held)).token;
      expect(await status(held)).toBe(200);
    }
    clock.set(login + 30 * 86_400_000 + 1000);
    expect(await status(held)).toBe(401);

    const until = new Date(Date.now() + 60_000).toISOString();
    const ending = await mint({ expires: until });
    const claims = (token: string) => JSON.parse(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")));
    expect(claims(await session(ending.key)).exp * 1000).toBeLessThanOrEqual(Date.parse(until));
    expect(claims(await ticket(ending.key)).exp * 1000).toBeLessThanOrEqual(Date.parse(until));
  });
});

describe("a key that an administrator named for another principal", () => {
  it("is neither rotated nor changed by the key above it, which may delete it", async () => {
    const { mint, admin } = await anInstance();
    const parent = await mint({ preset: "owner", quotas: {} });
    const child = await mint({ scopes: ["operations:approve"] }, parent.key);
    const own = await mint({ scopes: ["backups:list"] }, parent.key);
    await admin(`/v1/keys/${child.id}`, { method: "PATCH", body: { principal: "second-person" } });
    for (const [path, method, body] of [
      [`/v1/keys/${child.id}/rotate`, "POST", { graceSeconds: 0 }],
      [`/v1/keys/${child.id}`, "PATCH", { note: "mine" }],
    ] as const) {
      const refused = await call(path, { as: parent.key, method, body });
      expect([refused.status, refused.json.code]).toEqual([403, "other_principal"]);
    }
    expect((await call(`/v1/keys/${own.id}/rotate`, { as: parent.key, body: {} })).status).toBe(201);
    expect((await call(`/v1/keys/${child.id}`, { as: parent.key, method: "DELETE" })).status).toBe(204);
  });
});

describe("guessing", () => {
  const guess = (address: string | null) => call("/v1/backups", { as: "a-guess", address });
  const guesses = async (times: number, one: () => Promise<Answer>) => {
    const statuses: number[] = [];
    for (let n = 0; n < times; n++) statuses.push((await one()).status);
    return statuses;
  };

  it("is slowed after 60 failures of an address in a minute, and no other address", async () => {
    const { mint } = await anInstance();
    const { key } = await mint();
    const address = elsewhere();
    const statuses = await guesses(62, () => guess(address));
    expect(statuses).toEqual([...Array(60).fill(401), 429, 429]);
    const slowed = await guess(address);
    expect([slowed.status, slowed.json.code]).toEqual([429, "rate_limited"]);
    expect(Number(slowed.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await guesses(1, () => guess(elsewhere()))).toEqual([401]);
    // Whoever shares the address is not kept out by it.
    expect((await call("/v1/backups", { as: key, address })).status).toBe(200);
  });

  it("of a key's secret slows failures alone: a living credential behind the same address is never refused", async () => {
    const { mint, admin, registered } = await anInstance();
    const [living, dead, other] = [await mint(), await mint(), await mint()];
    await admin(`/v1/keys/${dead.id}`, { method: "PATCH", body: { disabled: true } });
    const [alive, forged] = [await session(living.key), `${await session(other.key)}x`];
    const address = elsewhere();
    const as = (key: string) => () => call("/v1/backups", { as: key, address });
    expect(await guesses(62, as(dead.key))).toEqual([...Array(60).fill(401), 429, 429]);
    expect(await guesses(61, as(forged))).toEqual([...Array(60).fill(401), 429]);
    expect(await guesses(61, as(mintKeyText(secureRandom, parseKeyText(living.key)!)))).toContain(429);
    for (const genuine of [living.key, alive, bindings.ADMIN_TOKEN!])
      expect((await call("/v1/backups", { as: genuine, address, instance: registered.name })).status).toBe(200);
    expect((await login(living.key, { address })).status).toBe(200);
    const file = `/api/backups/none.zip?token=${await ticket(living.key)}`;
    expect((await call(file, { as: null, address })).status).toBe(404);
  });

  it("of a nudge's signature does not refuse a genuine nudge behind the same address", async () => {
    const { registered } = await anInstance();
    const address = elsewhere();
    const { url, secret } = registered.nudge;
    await guesses(61, () => call(url, { as: null, body: "{}", headers: { "x-signature": "00" }, address }));
    const body = JSON.stringify({ at: Date.now() / 1000, nonce: "a-nonce-of-its-own" });
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    expect((await call(url, { as: null, body, headers: { "x-signature": signature }, address })).status).toBe(202);
  });

  it("is not what calls of nothing do: those of a robot refuse nobody", async () => {
    const { mint, admin } = await anInstance();
    const robot = await mint({ preset: "robot" });
    const address = elsewhere();
    await guesses(100, () => call("/v1/operations/op_x/cancel", { method: "POST", as: robot.key, address }));
    expect((await admin("/v1/keys", { address })).status).toBe(200);
  });

  it("counts a whole IPv6 /64 as one, and those without an address together", async () => {
    await guesses(60, () => guess(`2001:db8:1:2::${(++stranger).toString(16)}`));
    expect((await guess("2001:db8:1:2:ffff::1")).status).toBe(429);
    expect((await guess("2001:db8:1:3::1")).status).toBe(401);
    await guesses(60, () => guess(null));
    expect((await guess(null)).status).toBe(429);
  });

  it("is counted as a login's password, as a ticket, and as a signature of a nudge", async () => {
    const { registered } = await anInstance();
    const nudge = (path: string, address: string) =>
      call(path, { as: null, body: "{}", headers: { "x-signature": "00" }, address });
    for (const one of [
      (address: string) => login("a-guess", { address }),
      (address: string) => call("/api/backups/a.zip?token=a-guess", { as: null, address }),
      (address: string) => nudge(registered.nudge.url, address),
      (address: string) => nudge("/v1/nudge/AAAAAAAAAAAAAA", address),
    ]) {
      const address = elsewhere();
      await guesses(60, () => one(address));
      expect((await one(address)).status).toBe(429);
    }
  });

  it("is not what a request without a credential does", async () => {
    const address = elsewhere();
    const statuses = await guesses(65, () => call("/v1/backups", { as: null, address }));
    expect(new Set(statuses)).toEqual(new Set([401]));
  });

  it("with a known key's id neither disables nor slows that key", async () => {
    const { mint } = await anInstance();
    const { key } = await mint();
    const parts = parseKeyText(key)!;
    await guesses(100, () => call("/v1/backups", { as: mintKeyText(secureRandom, parts), address: elsewhere() }));
    expect((await call("/v1/backups", { as: key })).status).toBe(200);
  });
});
