import { expect, it } from "vitest";
import { fail, ok } from "../../src/base/result.ts";
import { answers, EndpointWorld } from "../harness/webhooks/endpoint-process.ts";

/** A process with these settings, on what the former ones stored. */
async function under(world: EndpointWorld, settings: Partial<Pick<EndpointWorld, "privateNetwork" | "resolve">>) {
  await world.turns.gate();
  world.kill();
  Object.assign(world, settings);
  world.restart();
}

const resolvesTo =
  (...addresses: string[]): EndpointWorld["resolve"] =>
  async () =>
    ok({ addresses, ttlSeconds: 0 });

it.each([
  ["http://hooks.example.com/in", "https:// addresses only"],
  ["https://192.168.1.10/in", "private network"],
  ["https://127.0.0.1:8443/in", "the machine that the relay runs on"],
])("%s, stored while private networks were allowed, gets nothing once they are not", async (url, words) => {
  const world = new EndpointWorld();
  await under(world, { privateNetwork: "all" });
  await world.create({ url });
  world.append(1);
  world.notify();
  await world.pass(0);
  expect(world.received).toHaveLength(1);

  await under(world, { privateNetwork: "none" });
  world.append(2);
  world.notify();
  await world.pass(60_000);
  expect(world.received).toHaveLength(1);
  const failed = world.parts.log.list(50, null).items.filter(({ outcome }) => outcome === "failed");
  expect(new Set(failed.map(({ event }) => event)).size).toBe(2);
  for (const { status, reason, latencyMs } of failed)
    expect({ status, reason, latencyMs }).toEqual({
      status: null,
      reason: { kind: "address", message: expect.stringContaining(words) },
      latencyMs: 0,
    });
  expect(await world.parts.test("backup.created")).toMatchObject({ reason: { kind: "address" } });
  expect(world.received).toHaveLength(1);

  // Refused is a failure like others: what is allowed again before the ladder ends is delivered.
  await under(world, { privateNetwork: "all" });
  world.notify();
  await world.pass(3_600_000);
  expect(world.lost).toEqual([]);
});

it("what a name leads to is asked before it is stored, where there is a resolver", async () => {
  const world = new EndpointWorld();
  const url = "https://hooks.example.com/in";
  expect(await world.parts.checkTarget(url)).toEqual(ok(null));
  const cases: [EndpointWorld["resolve"], string | null][] = [
    [resolvesTo("93.184.215.14", "2606:2800:21f::1"), null],
    [resolvesTo("93.184.215.14", "10.0.0.7"), "private network"],
    [resolvesTo("::1"), "the machine that the relay runs on"],
    [resolvesTo("169.254.169.254"), "metadata"],
    [resolvesTo(), "no address"],
    [async () => fail("The resolver did not answer."), "The resolver did not answer."],
  ];
  for (const [resolve, words] of cases) {
    await under(world, { resolve });
    const leads = await world.parts.checkTarget(url);
    expect(leads).toEqual(words === null ? ok(null) : fail(expect.stringContaining(words)));
  }
  // An address in digits has nothing to be looked up.
  await under(world, { resolve: async () => fail("asked") });
  expect(await world.parts.checkTarget("https://93.184.215.14/in")).toEqual(ok(null));
  expect(await world.parts.checkTarget("https://10.0.0.7/in")).toEqual(
    fail(expect.stringContaining("private network")),
  );
  expect(world.received).toEqual([]);
});

it("a name that a resolver is set for later, and that leads inside, gets nothing; nor while nobody can tell", async () => {
  const world = new EndpointWorld();
  await world.create();
  world.append(1);
  world.notify();
  await world.pass(0);
  expect(world.received).toHaveLength(1);
  await under(world, { resolve: resolvesTo("10.0.0.7") });
  world.append(1);
  world.notify();
  await world.pass(0);
  await under(world, { resolve: async () => fail("The resolver did not answer.") });
  await world.pass(60_000);
  expect(world.received).toHaveLength(1);
  const kinds = world.parts.log.list(50, null).items.flatMap(({ reason }) => reason?.kind ?? []);
  expect(new Set(kinds)).toEqual(new Set(["address", "dns"]));

  world.reply = () => answers(200);
  await under(world, { resolve: resolvesTo("93.184.215.14") });
  await world.pass(3_600_000);
  expect(world.lost).toEqual([]);
});
