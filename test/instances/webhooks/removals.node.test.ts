import { expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { instanceSteps } from "../../../src/instances/schema.ts";
import { Removals } from "../../../src/instances/webhooks/removals.ts";
import { Endpoints } from "../../../src/instances/webhooks/store.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { Turns } from "../../harness/object-sqlite.ts";
import { anEndpoint } from "../../harness/webhooks/endpoint-record.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** An instance's endpoints as they are stored, and what wiped them. */
function anInstance(turns: Turns, wipe: (id: string) => Promise<void>) {
  const endpoints = new Endpoints({
    storage: turns.storage,
    keys: null as never,
    ledger: null as never,
    clock: systemClock,
  });
  const works: Promise<unknown>[] = [];
  const removals = new Removals({
    endpoints,
    endpoint: (id) => ({ wipe: () => wipe(id) }),
    detach: (work) => works.push(work),
  });
  return { endpoints, removals, done: () => Promise.all(works) };
}

it("a removal that a kill cut short is due when the object wakes, and again after a pause when it fails", async () => {
  const turns = new Turns();
  migrate(turns.storage, instanceSteps);
  const killed = anInstance(turns, () => new Promise(() => undefined));
  killed.endpoints.put(anEndpoint({ id: "wh_0" }));
  expect(killed.removals.due()).toBe(NEVER);
  killed.endpoints.put(anEndpoint({ id: "wh_1", state: "deleting" }));
  void killed.removals.finish("wh_1");
  // The command is at it.
  expect(killed.removals.due()).toBe(NEVER);

  const wiped: string[] = [];
  let reachable = false;
  const woken = anInstance(turns, async (id) => {
    if (!reachable) throw new Error("the platform moves it");
    wiped.push(id);
  });
  expect(woken.removals.due()).toBe(0);
  woken.removals.run(1_000);
  await woken.done();
  expect(woken.removals.due()).toBeGreaterThan(1_000);
  expect(woken.removals.due()).toBeLessThanOrEqual(301_000);
  reachable = true;
  woken.removals.run(woken.removals.due());
  await woken.done();
  expect(wiped).toEqual(["wh_1"]);
  expect(woken.removals.due()).toBe(NEVER);
  expect(woken.endpoints.all().map(({ id }) => id)).toEqual(["wh_0"]);
});
