import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { literal } from "../harness/fake/content.ts";
import { admin } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";
import { type Hook, WebhookStage } from "../harness/webhooks/relay.ts";

let stage: WebhookStage;
beforeAll(async () => {
  stage = await WebhookStage.start();
});
afterAll(() => stage.stop());

const arrived = (path: string, count: number) => vi.waitUntil(() => stage.receiver.at(path).length >= count, SOON);
const change = (hook: Hook, body: Record<string, unknown>) =>
  stage.call<Hook>("PATCH", `/v1/webhooks/${hook.id}`, body);
const read = (hook: Hook) => stage.call<Hook>("GET", `/v1/webhooks/${hook.id}`);
const ISO_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

it("a changed format is how the next event is told", async () => {
  const hook = await stage.hook("/format");
  expect(await change(hook, { format: "slack" })).toMatchObject({ format: "slack" });
  expect(await read(hook)).toMatchObject({ format: "slack" });
  await stage.happen(1);
  await arrived("/format", 1);
  const body = JSON.parse(stage.receiver.at("/format")[0]!.body);
  expect(body.blocks).toBeInstanceOf(Array);
  expect(body.type).toBeUndefined();
});

it("a format that the stored address does not fit is refused as it is when an endpoint is made", async () => {
  const refusal = async (method: string, path: string, body: unknown) => {
    const answer = await admin(stage.relay, path, { method, body });
    const { code, data } = (await answer.json()) as { code: string; data: unknown };
    return { status: answer.status, code, data };
  };
  const url = stage.receiver.url("/plain/%zz");
  const hook = await stage.call<Hook>("POST", "/v1/webhooks", { url, types: ["backup.*"] }, 201);
  for (const format of ["telegram", "ntfy"]) {
    const made = await refusal("POST", "/v1/webhooks", { url, format });
    expect(made).toMatchObject({ status: 400, data: { url: { code: "validation_invalid_value" } } });
    expect(await refusal("PATCH", `/v1/webhooks/${hook.id}`, { format })).toEqual(made);
  }
  expect(await read(hook)).toMatchObject({ format: "standard" });
  expect(await change(hook, { description: "desk" })).toMatchObject({ description: "desk" });

  const chat = await stage.hook("/bot1:token/sendMessage?chat_id=-1001");
  expect(await change(chat, { format: "telegram" })).toMatchObject({ format: "telegram" });
});

it("only the signatures that are asked for arrive", async () => {
  const hook = await stage.hook("/signatures");
  const signatures = () => stage.receiver.at("/signatures").map(({ headers }) => String(headers["webhook-signature"]));
  await stage.happen(1);
  await arrived("/signatures", 1);
  expect(await change(hook, { signatures: ["v1"] })).toMatchObject({ signatures: ["v1"] });
  expect(await read(hook)).toMatchObject({ signatures: ["v1"] });
  await stage.happen(1);
  await arrived("/signatures", 2);
  expect(signatures()[0]).toMatch(/^v1,\S+ v1a,\S+$/);
  expect(signatures()[1]).toMatch(/^v1,\S+$/);
});

it("changed patterns and rates hold from the next event on", async () => {
  const hook = await stage.hook("/patterns", { ratePerMinute: 600 });
  expect(await read(hook)).toMatchObject({ patterns: ["*"], ratePerMinute: 600 });
  await change(hook, { patterns: ["wanted_*"], ratePerMinute: 60 });
  expect(await read(hook)).toMatchObject({ patterns: ["wanted_*"], ratePerMinute: 60 });
  await change(hook, { ratePerMinute: null });
  expect(await read(hook)).toMatchObject({ patterns: ["wanted_*"], ratePerMinute: null });
  const { fake } = stage.server;
  for (const key of ["other_1.zip", "wanted_1.zip"])
    await fake.put(key, literal(new Uint8Array(22)), fake.now() - 60_000);
  await stage.look();
  await arrived("/patterns", 1);
  const listed = async () => {
    const { items } = await stage.call<{ items: Hook[] }>("GET", "/v1/webhooks?limit=200");
    return items.find(({ id }) => id === hook.id)?.behind;
  };
  // The list asks the endpoint itself, as a read of one does.
  await vi.waitUntil(async () => (await listed()) === 0, SOON);
  expect((await read(hook)).behind).toBe(0);
  const keys = stage.receiver.at("/patterns").map(({ body }) => JSON.parse(body).data.backup.key);
  expect(keys).toEqual(["wanted_1.zip"]);
});

it("event types come with a JSON Schema that their example satisfies, for anybody", async () => {
  const answer = await fetch(`${stage.relay.url}/v1/webhooks/event-types`);
  expect(answer.status).toBe(200);
  type Kind = { type: string; schema: Record<string, unknown>; example: Record<string, unknown> };
  const { items } = (await answer.json()) as { items: Kind[] };
  expect(items.map(({ type }) => type)).toContain("backup.created");
  expect(items.length).toBeGreaterThan(20);
  const formats = { "date-time": (text: string) => ISO_UTC.test(text) };
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, formats });
  for (const { type, schema, example } of items) {
    const valid = ajv.compile(schema);
    expect(valid(example), `${type}: ${JSON.stringify(valid.errors)}`).toBe(true);
    expect(example.type).toBe(type);
    expect(valid({ ...example, type: "backup.unheard" }), type).toBe(false);
  }
});

it("attempts tell how each one ended, newest first", async () => {
  const hook = await stage.hook("/attempts");
  let failures = 1;
  stage.receiver.answers.set("/attempts", (response) => {
    response.statusCode = failures-- > 0 ? 500 : 200;
    response.end("a body that a private receiver's endpoint never shows");
  });
  const [event] = await stage.happen(1);
  const path = `/v1/webhooks/${hook.id}/attempts`;
  const list = () => stage.call<{ items: { at: string }[]; nextCursor: string | null }>("GET", path);
  await vi.waitUntil(async () => (await list()).items.length === 2, { timeout: 15_000, interval: 100 });
  const { items, nextCursor } = await list();
  const common = {
    event,
    type: "backup.created",
    seq: expect.any(Number),
    at: expect.stringMatching(ISO_UTC),
    latencyMs: expect.any(Number),
    snippet: null,
    test: false,
  };
  expect(items).toEqual([
    { ...common, attempt: 2, outcome: "delivered", status: 200, reason: null },
    {
      ...common,
      attempt: 1,
      outcome: "failed",
      status: 500,
      reason: { kind: "status", message: "It answered 500. It failed by its own account." },
    },
  ]);
  expect(nextCursor).toBeNull();
  expect(Date.parse(items[0]!.at) - Date.parse(items[1]!.at)).toBeGreaterThanOrEqual(5_000);
});

it("public keys may be cached for as long as a rotation leaves time", async () => {
  const hook = await stage.hook("/keys");
  const answer = await fetch(`${stage.relay.url}/v1/webhooks/${hook.id}/jwks.json`);
  expect(answer.headers.get("cache-control")).toBe("public, max-age=300");
  expect(await answer.json()).toEqual({
    keys: [{ kty: "OKP", crv: "Ed25519", use: "sig", alg: "EdDSA", kid: hook.id, x: expect.any(String) }],
  });
});
