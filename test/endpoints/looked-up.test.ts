import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { anInstance, bindings, call } from "../harness/worker.ts";

const RESOLVER = "https://dns.example.net/query";
const records = new Map<string, string[]>();
const sent: string[] = [];
const outside = globalThis.fetch;

/** A resolver that knows `records` and nothing else, and a receiver at every other name of acme.dev. */
beforeEach(() => {
  records.clear();
  sent.length = 0;
  Reflect.set(bindings, "RESOLVER", RESOLVER);
  vi.stubGlobal("fetch", async (input: string | Request, init?: RequestInit) => {
    const url = new URL(typeof input === "string" ? input : input.url);
    if (url.hostname.endsWith(".acme.dev")) {
      sent.push(url.hostname);
      return new Response(null, { status: 204 });
    }
    if (!url.href.startsWith(RESOLVER)) return outside(input, init);
    const name = url.searchParams.get("name")!;
    const type = url.searchParams.get("type") === "AAAA" ? 28 : 1;
    const known = records.get(name);
    const data = (known ?? []).filter((address) => address.includes(":") === (type === 28));
    return Response.json({ Status: known ? 0 : 3, Answer: data.map((one) => ({ name, type, TTL: 0, data: one })) });
  });
});
afterEach(() => {
  Reflect.deleteProperty(bindings, "RESOLVER");
  vi.stubGlobal("fetch", outside);
});

const refused = (message: string) => ({
  status: 400,
  json: {
    code: "invalid_request",
    data: { url: { code: "address_unresolved", message: expect.stringContaining(message) } },
  },
});

it.each([
  ["a private one", ["10.0.0.7"], "private network"],
  ["a public and a loopback one", ["93.184.215.14", "127.0.0.1"], "the machine that the relay runs on"],
  ["a loopback one of the other kind", ["93.184.215.14", "::1"], "the machine that the relay runs on"],
  ["a metadata service's", ["169.254.169.254"], "metadata"],
  ["none", [], "no address"],
])(
  "an address whose name has %s is not stored, and nothing is left of the endpoint",
  async (_which, addresses, words) => {
    records.set("hooks.acme.dev", addresses);
    const { admin } = await anInstance();
    const made = await admin("/v1/webhooks", { body: { url: "https://hooks.acme.dev/x" } });
    expect(made).toMatchObject(refused(words));
    expect((await admin("/v1/webhooks")).json.items).toEqual([]);
    expect(sent).toEqual([]);
  },
);

it("an address is not changed to a name that leads inside: the old one stays, with its secret", async () => {
  records.set("hooks.acme.dev", ["93.184.215.14"]);
  records.set("inside.acme.dev", ["192.168.1.1"]);
  const { admin } = await anInstance();
  const { id } = (await admin("/v1/webhooks", { body: { url: "https://hooks.acme.dev/x" } })).json;
  const path = `/v1/webhooks/${id}`;
  const before = (await admin(path)).json;
  const keys = await call(`${path}/jwks.json`, { as: null });
  const url = "https://inside.acme.dev/x";
  expect(await admin(path, { method: "PATCH", body: { url, description: "moved" } })).toMatchObject(
    refused("private network"),
  );
  expect((await admin(path)).json).toEqual(before);
  expect((await call(`${path}/jwks.json`, { as: null })).text).toBe(keys.text);

  // What does not touch the address asks nobody where it leads.
  records.clear();
  expect((await admin(path, { method: "PATCH", body: { description: "renamed" } })).status).toBe(200);
  expect(sent).toEqual([]);
});

it("a name that leads inside by the time of an attempt gets nothing", async () => {
  records.set("hooks.acme.dev", ["93.184.215.14"]);
  const { admin, fake } = await anInstance({}, { verify: false });
  await admin("/v1/backups");
  const body = { url: "https://hooks.acme.dev/x", types: ["backup.*"] };
  const { id } = (await admin("/v1/webhooks", { body })).json;
  const attemptsAfter = async (name: string, count: number) => {
    await fake.make(name, fake.now() - 60_000);
    await admin("/v1/backups");
    return vi.waitUntil(async () => {
      const { items } = (await admin(`/v1/webhooks/${id}/attempts`)).json;
      return items.length === count && items;
    });
  };
  expect(await attemptsAfter("one.zip", 1)).toMatchObject([{ outcome: "delivered", status: 204 }]);
  records.set("hooks.acme.dev", ["93.184.215.14", "10.0.0.7"]);
  const [latest] = await attemptsAfter("two.zip", 2);
  expect(latest).toMatchObject({ outcome: "failed", status: null, reason: { kind: "address" }, snippet: null });
  expect(sent).toHaveLength(1);
});
