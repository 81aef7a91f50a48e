import { readdirSync } from "node:fs";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { signedNudge } from "../harness/nudge.ts";
import { Receiver } from "../harness/receiver.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { admin } from "../harness/relay-client.ts";

/**
 * A data folder that `npm run serve` of an older commit left behind after SIGTERM, opened by the code as it is now. Beside
 * it lies what that older relay answered last; `make.ts` tells how both came to be. Newer code may answer more than the
 * older did: only what was there then is compared. No server stands behind it.
 */

type Json = Record<string, unknown>;
type KeyView = { id: string; name: string; previousUntil: string | null } & Json;
type Operation = { id: string; state: string; error: { code: string } | null; approval: { expires: string } | null };
type Hook = { id: string; path: string; secret: string; jwks: Jwks; attempts: Json[]; delivered: string[] };
type Jwks = { keys: { kid: string }[] };
type Expected = {
  ports: { receiver: number };
  settings: { ADMIN_TOKEN: string; ENCRYPTION_KEY: string };
  instance: Json;
  nudge: { path: string; secret: string };
  /** `previous`: opens until its successor is used. */
  keyTexts: { name: string; id: string; opens: boolean; previous: boolean; withoutPrefix: string }[];
  keys: KeyView[];
  rights: Record<string, Json>;
  events: string[];
  operations: (Operation & Json)[];
  awaiting: { id: string; asks: string; decides: string };
  repeated: { as: string; body: Json; header: string; answer: Json };
  webhooks: ({ id: string; cursor: number } & Json)[];
  hooks: Hook[];
  audit: ({ id: string } & Json)[];
};

const fixture = join(import.meta.dirname, "c6555c3");
const DAY_MS = 86_400_000;
const without = <T extends object>(from: T, ...fields: string[]): Partial<T> =>
  Object.fromEntries(Object.entries(from).filter(([name]) => !fields.includes(name))) as Partial<T>;

/**
 * Three things would have ended by themselves within days of the making: what waits for an approval, the secret before a
 * rotation, and what is remembered of an Idempotency-Key. They are moved to today, and nothing else is touched.
 */
function moveToToday(dataDir: string): void {
  const folder = join(dataDir, "backup-relay-instance");
  const [file, ...others] = readdirSync(folder).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
  expect(others).toEqual([]);
  const database = new DatabaseSync(join(folder, file!));
  const now = Date.now();
  const moved = (statement: string, ...values: number[]) =>
    expect(database.prepare(statement).run(...values).changes).toBe(1);
  moved(
    "UPDATE operations SET record = json_set(record, '$.approval.expires', ?) WHERE record ->> '$.state' = 'awaiting_approval'",
    now + DAY_MS,
  );
  moved(
    "UPDATE keys SET record = json_set(record, '$.previous.until', ?) WHERE record ->> '$.previous.until' IS NOT NULL",
    now + DAY_MS,
  );
  moved("UPDATE idempotency SET at = ?, record = json_set(record, '$.at', ?)", now, now);
  database.close();
}

describe("data that commit c6555c3 left behind", () => {
  /** At the address that the endpoints keep: another run of this test on this machine is waited for. */
  const receiver = new Receiver();
  let expected: Expected;
  let folder: string;
  let relay: TestRelay;

  beforeAll(async () => {
    expected = JSON.parse(await readFile(join(fixture, "expected.json"), "utf8"));
    folder = await mkdtemp(join(tmpdir(), "relay-old-data-"));
    const dataDir = join(folder, "data");
    await cp(join(fixture, "stored"), dataDir, { recursive: true });
    moveToToday(dataDir);
    await receiver.start(expected.ports.receiver);
    relay = await startRelay({ dataDir, settings: { ...expected.settings, ALLOW_PRIVATE_NETWORK: "all" } });
  });
  afterAll(async () => {
    await relay?.stop();
    await receiver.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const read = async <T>(path: string): Promise<T> => {
    const answer = await admin(relay, path);
    expect([path, answer.status]).toEqual([path, 200]);
    return (await answer.json()) as T;
  };
  /** All pages of a list; of events the first 200. */
  const items = async <T = Json>(path: string, cursor: string | null = null): Promise<T[]> => {
    const asked = `${path}${path.includes("?") ? "&" : "?"}limit=200${cursor === null ? "" : `&cursor=${cursor}`}`;
    const { items: shown, nextCursor } = await read<{ items: T[]; nextCursor?: string | null }>(asked);
    return nextCursor ? [...shown, ...(await items<T>(path, nextCursor))] : shown;
  };
  const as = (text: string, method: string, path: string, body?: Json, headers: Record<string, string> = {}) =>
    fetch(relay.url + path, {
      method,
      headers: { authorization: text, ...(body ? { "content-type": "application/json" } : {}), ...headers },
      body: body ? JSON.stringify(body) : undefined,
    });
  const textsOf = (wanted: (one: Expected["keyTexts"][number]) => boolean) =>
    expected.keyTexts.filter(wanted).map(({ withoutPrefix, ...more }) => ({ ...more, text: `brk_${withoutPrefix}` }));
  /** The newest text of the key of that name. */
  const keyOf = (name: string): string => textsOf((one) => one.name === name).at(-1)!.text;

  it("lists every key as it was", async () => {
    const shown = await items<KeyView>("/v1/keys");
    expect(shown.map(({ id }) => id)).toEqual(expected.keys.map(({ id }) => id));
    for (const [index, key] of expected.keys.entries()) {
      // How it was used goes on, and the end of the former secret was moved.
      expect(shown[index]).toMatchObject(without(key, "uses", "lastUsed", "previousUntil"));
      expect(shown[index]!.previousUntil === null).toBe(key.previousUntil === null);
    }
  });

  it("knows the text of every key, and what it may do", async () => {
    const self = async (text: string) => {
      const answer = await as(text, "GET", "/v1/keys/self");
      return { status: answer.status, body: (await answer.json()) as { key?: { id: string }; rights?: Json } };
    };
    const opening = textsOf(({ opens }) => opens);
    const refused = textsOf(({ opens }) => !opens);
    expect([opening.length, refused.length]).toEqual([7, 2]);
    // Former secrets first: they end with the use of their successors.
    for (const { name, id, text } of opening.sort((a, b) => Number(b.previous) - Number(a.previous))) {
      const { status, body } = await self(text);
      expect([name, status, body.key?.id]).toEqual([name, 200, id]);
      expect(body.rights).toMatchObject(without(expected.rights[name]!, "rateLeft", "quotasLeft"));
    }
    for (const { name, text } of refused) expect([name, (await self(text)).status]).toEqual([name, 401]);
    for (const { name, text } of opening.filter(({ previous }) => previous))
      expect([name, (await self(text)).status]).toEqual([name, 401]);
    const altered = keyOf("parent").replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    expect((await self(altered)).status).toBe(401);
  });

  it("opens a session that lasts, by a key's text", async () => {
    const login = { identity: "ci", password: keyOf("child") };
    const answer = await as("", "POST", "/api/collections/_superusers/auth-with-password", login);
    expect(answer.status).toBe(200);
    const { token } = (await answer.json()) as { token: string };
    const self = await as(token, "GET", "/v1/keys/self");
    expect(self.status).toBe(200);
    expect(await self.json()).toMatchObject({ kind: "key", key: { name: "child" } });
  });

  it("tells every event byte for byte, and the chain holds", async () => {
    const { events } = expected;
    const answer = await admin(relay, `/v1/events?limit=${events.length}`);
    const text = await answer.text();
    const { items: shown } = JSON.parse(text) as { items: Json[] };
    expect(shown.map((event) => JSON.stringify(event))).toEqual(events);
    const whole = `{"items":[${events.join(",")}],"nextAfter":${events.length},`;
    expect(text.slice(0, whole.length)).toBe(whole);
    const verdict = await read<{ ok: boolean; from: number; to: number }>("/v1/events/verify");
    expect(verdict).toMatchObject({ ok: true, from: 1 });
    expect(verdict.to).toBeGreaterThanOrEqual(events.length);
  });

  it("shows every operation as it ended, and the one that waits", async () => {
    /** A code's words may change; the end of the approval that is still open was moved. */
    const stored = (operation: Expected["operations"][number]) => ({
      ...without(operation, "error", "approval"),
      error: operation.error && { code: operation.error.code },
      approval:
        operation.approval &&
        (operation.state === "awaiting_approval" ? without(operation.approval, "expires") : operation.approval),
    });
    const shown = await items<Operation & Json>("/v1/operations");
    expect(shown.map(({ id }) => id)).toEqual(expected.operations.map(({ id }) => id));
    expect(new Set(shown.map(({ state }) => state))).toEqual(
      new Set(["awaiting_approval", "denied", "succeeded", "failed"]),
    );
    for (const [index, operation] of expected.operations.entries()) {
      expect(shown[index]).toMatchObject(stored(operation));
      expect(await read(`/v1/operations/${operation.id}`)).toMatchObject(stored(operation));
      const { status } = await admin(relay, `/v1/operations/${operation.id}/outcome`);
      const ended = operation.state === "succeeded" ? 204 : operation.state === "awaiting_approval" ? 503 : 422;
      expect([operation.state, status]).toEqual([operation.state, ended]);
    }
    const restored = shown.find(({ kind }) => kind === "restore");
    expect(restored).toMatchObject({ state: "succeeded", result: { evidence: "canary" } });
  });

  it("knows which backups it announced, and which are gone", async () => {
    await read("/v1/events?limit=1");
    const instances = join(folder, "data", "backup-relay-instance");
    const file = readdirSync(instances).find((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
    const database = new DatabaseSync(join(instances, file!), { readOnly: true });
    const [observer] = database.prepare("SELECT value FROM meta WHERE name = 'observer'").all();
    const records = database.prepare("SELECT record FROM tracked_backups ORDER BY key").all();
    database.close();
    const { reach } = JSON.parse(String(observer!.value));
    expect([reach.announced, "said" in reach]).toEqual(["reachable", false]);
    expect(records.map(({ record }) => JSON.parse(String(record)))).toMatchObject([
      { key: "nightly_1.zip", announced: { size: 225_435, modified: 1_795_825_602_614 }, recentlyGone: [] },
      { announced: { size: 227_693, modified: 1_795_825_607_842 }, candidate: null, missing: null },
      { key: "weekly_1.zip", announced: null, recentlyGone: [{ size: 225_435, at: 1_795_825_614_864 }] },
    ]);
    expect(records.filter(({ record }) => /"(said|seen|gone)":/.test(String(record)))).toEqual([]);
  });

  it("answers a repeated request with the operation that the first one made", async () => {
    const { as: name, body, header, answer } = expected.repeated;
    const again = (asked: Json) => as(keyOf(name), "POST", "/v1/backups", asked, { "idempotency-key": header });
    const repeated = await again(body);
    expect([repeated.status, repeated.headers.get("location")]).toEqual([202, `/v1/operations/${answer.id}`]);
    expect(await repeated.json()).toMatchObject(answer);
    expect((await again({ name: "nightly_2.zip" })).status).toBe(422);
  });

  it("lets another principal than the one who asked deny what waits", async () => {
    const { id, asks, decides } = expected.awaiting;
    const deny = (name: string) => as(keyOf(name), "POST", `/v1/operations/${id}/deny`);
    const own = await deny(asks);
    expect(own.status).toBe(403);
    expect(await own.json()).toMatchObject({ code: "approval_own" });
    const denied = await deny(decides);
    expect(denied.status).toBe(200);
    const { id: decider } = textsOf(({ name }) => name === decides)[0]!;
    expect(await denied.json()).toMatchObject({ id, state: "denied", approval: { decidedBy: decider } });
    const last = (await items<{ type: string; data: Json }>("/v1/events?type=approval.denied")).at(-1);
    expect(last).toMatchObject({ data: { operation: id } });
    expect(await read("/v1/events/verify")).toMatchObject({ ok: true });
  });

  it("keeps the endpoints, their place, what they tried and their public keys", async () => {
    const moving = ["cursor", "head", "behind", "lastSuccess", "lastFailure"];
    const shown = await items("/v1/webhooks");
    expect(shown).toHaveLength(expected.webhooks.length);
    for (const [index, webhook] of expected.webhooks.entries()) {
      expect(shown[index]).toMatchObject(without(webhook, ...moving));
      const { cursor } = await read<{ cursor: number }>(`/v1/webhooks/${webhook.id}`);
      if (webhook.state === "paused") expect(cursor).toBe(webhook.cursor);
      else expect(cursor).toBeGreaterThanOrEqual(webhook.cursor);
    }
    for (const { id, jwks, attempts } of expected.hooks) {
      const answer = await fetch(`${relay.url}/v1/webhooks/${id}/jwks.json`);
      // The outgoing key of a rotation is shown for days only.
      const current = ({ keys }: Jwks) => keys.filter(({ kid }) => kid === id);
      expect(current((await answer.json()) as Jwks)).toMatchObject(current(jwks));
      const events = attempts.map(({ event }) => event);
      const tried = (await items(`/v1/webhooks/${id}/attempts`)).filter(({ event }) => events.includes(event));
      expect(tried).toMatchObject(attempts);
    }
  });

  it("signs with the secret that was shown once, and sends the headers it was given", async () => {
    for (const { id, path, secret } of expected.hooks) {
      const answer = await admin(relay, `/v1/webhooks/${id}/test`, { method: "POST" });
      expect(await answer.json()).toMatchObject({ outcome: "delivered", status: 200 });
      const { body, headers } = receiver.at(path).find(({ body }) => JSON.parse(body).id.startsWith("evt_test_"))!;
      expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(JSON.parse(body));
    }
    const [withHeaders] = receiver.at("/active");
    expect(withHeaders!.headers["x-receiver-token"]).toBe("known to the receiver");
  });

  it("goes on delivering where each endpoint stood: nothing is left out, nothing comes again", async () => {
    const [active, paused] = expected.hooks as [Hook, Hook];
    const stood = expected.webhooks.find(({ id }) => id === paused.id)!.cursor;
    const due = expected.events.filter((text) => {
      const { seq, type } = JSON.parse(text) as { seq: number; type: string };
      return seq > stood && type.startsWith("backup.");
    });
    expect(due.length).toBeGreaterThan(2);
    const facts = (path: string) => receiver.at(path).filter(({ body }) => JSON.parse(body).seq > 0);
    expect(facts(paused.path)).toEqual([]);
    expect((await admin(relay, `/v1/webhooks/${paused.id}/resume`, { method: "POST" })).status).toBe(200);
    await vi.waitUntil(() => facts(paused.path).length >= due.length, { timeout: 20_000 });
    const came = facts(paused.path);
    expect(
      came
        .map(({ body }) => body)
        .filter((body) => expected.events.includes(body))
        .sort(),
    ).toEqual(due.sort());
    for (const { body, headers } of came)
      expect(() => new Webhook(paused.secret).verify(body, headers as Record<string, string>)).not.toThrow();
    const again = [...facts(active.path), ...facts(paused.path)].filter(({ path, headers }) =>
      (path === active.path ? active : paused).delivered.includes(String(headers["webhook-id"])),
    );
    expect(again).toEqual([]);
  });

  it("knows the server, opens what was sealed, and takes its nudges", async () => {
    const { id, name, url, credential, headers, pollSeconds, verify, created } = expected.instance;
    const same = { id, name, url, credential, headers, pollSeconds, verify, created, expect: expected.instance.expect };
    expect(await read("/v1/instances/prod")).toMatchObject({ ...same, locked: [], leftToReseal: 0 });
    const { path, secret } = expected.nudge;
    const nudged = async (by: string) => (await fetch(relay.url + path, signedNudge(by))).status;
    expect([await nudged(secret), await nudged(`${secret}x`)]).toEqual([202, 401]);
  });

  it("still tells who did what", async () => {
    const ids = new Set(expected.audit.map(({ id }) => id));
    const shown = (await items<{ id: string }>("/v1/audit")).filter(({ id }) => ids.has(id));
    expect(shown).toMatchObject(expected.audit);
  });
});
