/// <reference types="@cloudflare/vitest-plugin/types" />
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Endpoint } from "../../src/endpoints/endpoint.ts";
import { KEPT_DELIVERIES } from "../../src/endpoints/finished-deliveries.ts";
import { anInstance, bindings, clock, countWrites } from "../harness/worker.ts";

const HOUR = 3_600_000;
const LONGEST = { timeout: 60_000, interval: 10 };
/** `webhook-id`s as each receiver got them, by host. */
const received = new Map<string, string[]>();
let status = 200;
const outside = globalThis.fetch;

beforeAll(() => {
  vi.stubGlobal("fetch", async (input: string | Request, init?: RequestInit) => {
    const { hostname } = new URL(typeof input === "string" ? input : input.url);
    if (!hostname.endsWith(".acme.dev")) return outside(input, init);
    const id = new Headers(init?.headers).get("webhook-id")!;
    received.set(hostname, [...(received.get(hostname) ?? []), id]);
    return new Response(null, { status, headers: { "content-length": "0" } });
  });
});
afterAll(() => {
  clock.reset();
  vi.stubGlobal("fetch", outside);
});

/** An instance with one endpoint, at a host of its own. */
async function anEndpoint(host: string) {
  const { admin, fake } = await anInstance({}, { verify: false });
  await admin("/v1/backups");
  const url = `https://${host}/in`;
  const { id } = (await admin("/v1/webhooks", { body: { url, types: ["backup.*"] } })).json;
  let files = 0;
  return {
    get stub() {
      return bindings.ENDPOINT.getByName(id) as unknown as DurableObjectStub<Endpoint>;
    },
    got: () => received.get(host) ?? [],
    async happen(count: number): Promise<void> {
      for (let left = count; left > 0; left--) await fake.make(`f${files++}.zip`, fake.now() - HOUR);
      await admin("/v1/backups?limit=1");
    },
  };
}

const rowsOf = ({ rows, alarms }: { rows: number; alarms: number }) => rows + alarms;

it("writes at most 4 rows per delivered event as the platform counts them, alarms and later removal included", async () => {
  const { stub, got, happen } = await anEndpoint("rows.acme.dev");
  await happen(1);
  await vi.waitUntil(() => got().length === 1, LONGEST);
  const writes = await countWrites(stub as never);
  const burst = 2 * KEPT_DELIVERIES + 200;
  await happen(burst);
  await vi.waitUntil(() => got().length === 1 + burst, LONGEST);
  const inBurst = rowsOf(writes());
  // Fewer than two would mean that the counting does not count.
  expect(inBurst / burst).toBeGreaterThanOrEqual(2);
  expect(inBurst / burst).toBeLessThanOrEqual(4);

  const single = 20;
  for (let each = 0; each < single; each++) {
    await happen(1);
    await vi.waitUntil(() => got().length === 2 + burst + each, LONGEST);
  }
  expect((rowsOf(writes()) - inBurst) / single).toBeLessThanOrEqual(4);
  expect(new Set(got()).size).toBe(1 + burst + single);
}, 120_000);

const fails = () => {
  throw new Error("made to fail");
};
type Parts = { dispatcher: { wake: unknown }; store: object };

it.each([
  ["finding out what is due", ({ dispatcher }: Parts) => Object.defineProperty(dispatcher, "due", { get: fails })],
  ["going on", ({ dispatcher }: Parts) => Object.assign(dispatcher, { wake: fails })],
  ["reading what it remembers", ({ store }: Parts) => Object.defineProperty(store, "memory", { get: fails })],
])(
  "an alarm in which %s fails does not throw and stays armed; the next object does what was due",
  async (what, spoil) => {
    const endpoint = await anEndpoint(`${what.replaceAll(" ", "-")}.acme.dev`);
    const complained = vi.spyOn(console, "error").mockImplementation(() => undefined);
    status = 500;
    await endpoint.happen(1);
    await vi.waitUntil(() => endpoint.got().length === 1, LONGEST);
    await runInDurableObject(endpoint.stub, async (object, { storage }) => {
      spoil(Reflect.get(object, "parts"));
      clock.forward(10_000);
      await storage.setAlarm(Date.now() + HOUR);
    });
    // Once more than the platform would put up with.
    for (let time = 0; time < 8; time++) {
      expect(await runDurableObjectAlarm(endpoint.stub)).toBe(true);
      const armed = await runInDurableObject(endpoint.stub, (_, { storage }) => storage.getAlarm());
      expect(armed).not.toBeNull();
      expect(armed! - Date.now()).toBeLessThanOrEqual(31_000);
    }
    expect(complained).toHaveBeenCalledTimes(8);
    complained.mockRestore();
    expect(endpoint.got()).toHaveLength(1);

    status = 200;
    await runInDurableObject(endpoint.stub, (_, state) => state.abort("evicted")).catch(() => undefined);
    clock.forward(31_000);
    expect(await runDurableObjectAlarm(endpoint.stub)).toBe(true);
    await vi.waitUntil(() => endpoint.got().length === 2, LONGEST);
    expect(new Set(endpoint.got()).size).toBe(1);
  },
);
