import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { anInstance, aServer, call, countWrites, directory, rows, tablesOf } from "../harness/worker.ts";

/** Longer than a registration or removal may take before the watchdog finishes it, in ms. */
const STALLED = 130_000;

describe("the watchdog", () => {
  const backdate = (name: string, state: string) =>
    rows(
      directory(),
      "UPDATE instances SET state = ?, since = ? WHERE name = ? RETURNING name",
      state,
      Date.now() - STALLED,
      name,
    );
  const state = async (name: string) =>
    (await rows<{ state: string }>(directory(), "SELECT state FROM instances WHERE name = ?", name))[0]?.state;

  it("finishes a registration that was cut after the object had registered", async () => {
    const { name } = await anInstance();
    await backdate(name, "pending");
    expect((await call(`/v1/instances/${name}`)).json.code).toBe("instance_not_found");
    await directory().reconcileAll();
    expect(await state(name)).toBe("active");
    expect((await call(`/v1/instances/${name}`)).status).toBe(200);
  });

  it("takes back a registration that never got to its object, and frees the name", async () => {
    await rows(
      directory(),
      "INSERT INTO instances (name, id, state, since) VALUES ('never', 'aaaaaaaa', 'pending', ?) RETURNING name",
      Date.now() - STALLED,
    );
    await directory().reconcileAll();
    expect(await state("never")).toBeUndefined();
    const { url, fake } = aServer();
    const { email, password } = fake;
    const body = { name: "never", url, credential: { email, password } };
    expect((await call("/v1/instances", { body })).status).toBe(201);
  });

  it("finishes a removal that was cut, and leaves one under way alone", async () => {
    const { name, id, mint } = await anInstance();
    const { key } = await mint();
    await rows(
      directory(),
      "UPDATE instances SET state = 'deleting', since = ? WHERE name = ? RETURNING name",
      Date.now(),
      name,
    );
    await directory().reconcileAll();
    expect(await state(name)).toBe("deleting");
    await backdate(name, "deleting");
    await directory().reconcileAll();
    expect(await state(name)).toBeUndefined();
    expect(await tablesOf(id)).toEqual([]);
    expect((await call("/api/backups", { as: key, address: "198.51.100.9" })).status).toBe(401);
  });

  it("arms an alarm that the platform dropped (simulated)", async () => {
    const { stub } = await anInstance();
    await runInDurableObject(stub, (_object, { storage }) => storage.deleteAlarm());
    await evictDurableObject(stub);
    // The first round after it woke is everybody's turn.
    await evictDurableObject(directory());
    await directory().reconcileAll();
    await runInDurableObject(stub, async (_object, { storage }) => expect(await storage.getAlarm()).not.toBeNull());
  });

  it("arms what a clock that ran a year ahead has set, its own alarm as well, and finishes what it began", async () => {
    const ahead = Date.now() + 365 * 86_400_000;
    const { name, stub } = await anInstance();
    await rows(
      directory(),
      "UPDATE instances SET state = 'pending', since = ? WHERE name = ? RETURNING name",
      ahead,
      name,
    );
    for (const object of [stub, directory()]) {
      await runInDurableObject(object, (_object, { storage }) => storage.setAlarm(ahead));
      await evictDurableObject(object);
    }
    const alarmOf = (object: typeof stub | ReturnType<typeof directory>) =>
      runInDurableObject(object, async (_object, { storage }) => (await storage.getAlarm()) ?? 0);
    await directory().tagKey();
    expect(await alarmOf(directory())).toBeLessThanOrEqual(Date.now() + 60_000);
    await directory().reconcileAll();
    expect(await state(name)).toBe("active");
    await directory().reconcileAll();
    await stub.poke();
    expect(await alarmOf(stub)).toBeLessThan(Date.now() + 86_400_000);
  });

  it("writes nothing into an instance that has nothing to do", async () => {
    const { stub } = await anInstance();
    await vi.waitUntil(async () => {
      await runDurableObjectAlarm(stub);
      return runInDurableObject(
        stub,
        async (_object, { storage }) => (await storage.getAlarm())! > Date.now() + 10_000,
      );
    });
    const writes = await countWrites(stub);
    for (let round = 0; round < 3; round++) await stub.poke();
    expect(writes()).toEqual({ rows: 0, alarms: 0 });
  });

  it("comes again by the directory's own alarm", async () => {
    await anInstance();
    expect(await runDurableObjectAlarm(directory())).toBe(true);
    await runInDurableObject(directory(), async (_object, { storage }) =>
      expect(await storage.getAlarm()).toBeGreaterThan(Date.now()),
    );
  });
});
