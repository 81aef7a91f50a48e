import { evictDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { base64 } from "../../src/base/encoding.ts";
import { secureRandom } from "../../src/base/random.ts";
import { endpointOf } from "../../src/endpoints/stub.ts";
import { SOON } from "../harness/waiting.ts";
import { anInstance, bindings, directory } from "../harness/worker.ts";

const HOUR = 3_600_000;
const former = bindings.ENCRYPTION_KEY!;
const outside = globalThis.fetch;
const received: string[] = [];
afterEach(() => {
  Reflect.set(bindings, "ENCRYPTION_KEY", former);
  vi.stubGlobal("fetch", outside);
});

it("0 is said only when a paused endpoint needs the former ENCRYPTION_KEY no more", async () => {
  vi.stubGlobal("fetch", async (input: string | Request, init?: RequestInit) => {
    const { hostname } = new URL(typeof input === "string" ? input : input.url);
    if (hostname !== "paused.acme.dev") return outside(input, init);
    received.push(String(init?.body));
    return new Response(null, { status: 204 });
  });
  const { admin, fake, name, stub } = await anInstance({}, { verify: false });
  await admin("/v1/backups");
  const { id } = (await admin("/v1/webhooks", { body: { url: "https://paused.acme.dev/in", types: ["backup.*"] } }))
    .json;
  await admin(`/v1/webhooks/${id}/pause`, { method: "POST" });
  const left = async () => (await admin(`/v1/instances/${name}`)).json.leftToReseal;
  /** As a deployment with other settings does: every object starts anew. */
  const restarted = async (keys: string) => {
    Reflect.set(bindings, "ENCRYPTION_KEY", keys);
    for (const object of [endpointOf(bindings, id), stub, directory()]) await evictDurableObject(object as never);
  };
  expect(await left()).toBe(0);

  const next = base64(secureRandom(32));
  await restarted(`${next},${former}`);
  expect(await left()).toBe(1);
  await directory().reconcileAll();
  await vi.waitUntil(async () => (await left()) === 0, SOON);

  await restarted(next);
  expect(await left()).toBe(0);
  expect((await admin(`/v1/webhooks/${id}/resume`, { method: "POST" })).status).toBe(200);
  await fake.make("new.zip", fake.now() - HOUR);
  await admin("/v1/backups?limit=1");
  await vi.waitUntil(() => received.length === 1, SOON);
  expect((await admin(`/v1/webhooks/${id}`)).text).not.toMatch(/sealed|s1\./);
});
