import { expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { secureRandom } from "../../src/base/random.ts";
import { type Sealer, sealer } from "../../src/base/seal.ts";
import { systemSleep } from "../../src/base/sleep.ts";
import { endpointSteps } from "../../src/endpoints/schema.ts";
import { EndpointStore } from "../../src/endpoints/store.ts";
import { KeyStore } from "../../src/instances/keys/store.ts";
import { Ledger } from "../../src/instances/ledger/store.ts";
import { instanceSteps } from "../../src/instances/schema.ts";
import type { EndpointObject } from "../../src/instances/webhooks/commands.ts";
import { buildWebhooks } from "../../src/instances/webhooks/parts.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { Turns } from "../harness/object-sqlite.ts";
import { anEndpoint } from "../harness/webhooks/endpoint-record.ts";

const [old, fresh] = [secureRandom(32), secureRandom(32)];
const [before, during, after] = [[old], [fresh, old], [fresh]].map((keys) => sealer(keys, secureRandom)) as [
  Sealer,
  Sealer,
  Sealer,
];

/** One endpoint's storage, opened by whichever keys are configured. */
async function anEndpointSealedByTheOldKey() {
  const turns = new Turns();
  migrate(turns.storage, endpointSteps);
  const openedBy = (keys: Sealer) => new EndpointStore("wh_1", turns.sql, keys, systemClock, secureRandom);
  await openedBy(before).create(
    { instanceName: "acme", format: "standard", signatures: ["v1"], ratePerMinute: null },
    { url: "https://hooks.example.com/in", headers: {} },
    null,
  );
  return openedBy;
}

/** An instance whose endpoint objects answer `reseal` alone; `round` is one run of its duty. */
function anInstance(turns: Turns, keys: Sealer, reseal: (id: string) => Promise<string | null>) {
  let work: Promise<unknown> = Promise.resolve();
  const { endpoints, resealing } = buildWebhooks({
    storage: turns.storage,
    settings: { privateNetwork: "none", publicUrl: null, webhookPorts: [] } as never,
    sealer: keys,
    clock: systemClock,
    sleep: systemSleep,
    detach: (detached) => {
      work = detached;
    },
    endpoint: (id) => ({ reseal: () => reseal(id) }) as unknown as EndpointObject,
    wake: () => undefined,
    keys: new KeyStore(turns.sql, systemClock),
    ledger: new Ledger(turns.sql, systemClock, secureRandom, () => "acme"),
    instanceName: () => "acme",
  });
  const round = () => {
    resealing.run(systemClock());
    return work;
  };
  return { endpoints, resealing, round };
}

it("an endpoint that says nothing, or is sealed by a former key, counts until it said that it is sealed by the first", async () => {
  const openedBy = await anEndpointSealedByTheOldKey();
  const turns = new Turns();
  migrate(turns.storage, instanceSteps);
  const reseal = async (id: string) => {
    if (id === "wh_0") throw new Error("the platform moves it");
    const store = openedBy(during);
    await store.unlock();
    return store.sealedWith;
  };
  const first = anInstance(turns, during, reseal);
  first.endpoints.put(anEndpoint({ id: "wh_0", sealedWith: openedBy(before).sealedWith! }));
  first.endpoints.put(anEndpoint({ id: "wh_1", state: "paused" }));
  first.endpoints.put(anEndpoint({ id: "wh_2", state: "deleting" }));
  expect(await first.resealing.left()).toEqual(["wh_0", "wh_1"]);
  first.endpoints.remove("wh_2");
  await first.round();
  expect(await first.resealing.left()).toEqual(["wh_0"]);
  expect((await openedBy(after).target()).ok).toBe(true);
  // One is left, so it is asked again, but not before a pause that outlives the object.
  const now = systemClock();
  expect(first.resealing.due(now)).toBeGreaterThan(now);
  expect(anInstance(turns, during, reseal).resealing.due(now)).toBe(first.resealing.due(now));
  // A pause that a clock dated ahead is over.
  expect(anInstance(turns, during, reseal).resealing.due(now - 86_400_000)).toBe(now - 86_400_000);

  const asked: string[] = [];
  const woken = anInstance(turns, after, async (id) => {
    asked.push(id);
    return null;
  });
  await woken.round();
  expect(asked).toEqual(["wh_0"]);
  // Whoever goes back to the former key needs the new one as well.
  expect(await anInstance(turns, before, reseal).resealing.left()).toEqual(["wh_1"]);
});

it("secrets that are stored while the old ones are sealed anew stay", async () => {
  const openedBy = await anEndpointSealedByTheOldKey();
  const store = openedBy(during);
  const [, rotated] = await Promise.all([store.unlock(), store.rotate(null, 0), store.unlock()]);
  const keys = await store.publicKeys();
  expect(rotated.ok && keys.ok).toBe(true);
  expect(await openedBy(after).publicKeys()).toEqual(keys);
});
