import { evictDurableObject } from "cloudflare:test";
import { afterEach, expect, it } from "vitest";
import { signedNudge } from "../../harness/nudge.ts";
import { anInstance, call, clock, rows } from "../../harness/worker.ts";

afterEach(() => clock.reset());

const MINUTE_MS = 60_000;

it("is taken once, also when the object was evicted or killed in between", async () => {
  const { registered, stub, kill } = await anInstance({}, { verify: false });
  const { url, secret } = registered.nudge;
  const nudge = signedNudge(secret);
  const sent = async () => (await call(url, { as: null, ...nudge })).status;
  expect(await sent()).toBe(202);
  expect(await sent()).toBe(401);
  await evictDurableObject(stub);
  expect(await sent()).toBe(401);
  await kill();
  expect(await sent()).toBe(401);
});

it("is remembered for as long as it is in time, and no longer", async () => {
  const instance = await anInstance({}, { verify: false });
  const { url, secret } = instance.registered.nudge;
  const sent = async (nudge: ReturnType<typeof signedNudge>) => (await call(url, { as: null, ...nudge })).status;
  const kept = async () => (await rows(instance.stub, "SELECT nonce FROM nudges")).length;
  // Of a server whose clock is ahead: it stays in time for longest.
  const early = signedNudge(secret, { at: Date.now() + 4.9 * MINUTE_MS });
  expect(await sent(early)).toBe(202);
  clock.forward(9.8 * MINUTE_MS);
  expect(await sent(early)).toBe(401);
  expect(await kept()).toBe(1);
  clock.forward(0.3 * MINUTE_MS);
  expect(await sent(signedNudge(secret))).toBe(202);
  expect(await kept()).toBe(1);
});

it("is one of a thousand in ten minutes at most", async () => {
  const { registered, stub } = await anInstance({}, { verify: false });
  const { url, secret } = registered.nudge;
  const many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)";
  await rows(stub, `${many} INSERT INTO nudges SELECT 'nonce-' || i, ? FROM n RETURNING nonce`, Date.now());
  expect((await call(url, { as: null, ...signedNudge(secret) })).status).toBe(401);
  clock.forward(11 * MINUTE_MS);
  expect((await call(url, { as: null, ...signedNudge(secret) })).status).toBe(202);
});
