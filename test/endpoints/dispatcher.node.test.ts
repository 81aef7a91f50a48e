import { expect, it } from "vitest";
import { KEPT_DELIVERIES } from "../../src/endpoints/finished-deliveries.ts";
import { SLOTS } from "../../src/endpoints/sender.ts";
import { LADDER_MS } from "../../src/webhooks/retry.ts";
import { answers, EndpointWorld } from "../harness/webhooks/endpoint-process.ts";

const MINUTE = 60_000;

async function world(options: Parameters<EndpointWorld["create"]>[0] = {}): Promise<EndpointWorld> {
  const made = new EndpointWorld();
  await made.create(options);
  return made;
}

it("sends every event once, in the ledger's order to a receiver that is fast", async () => {
  const one = await world();
  one.append(500);
  one.notify();
  await one.pass(0);
  expect(one.lost).toEqual([]);
  expect(one.twice).toBe(0);
  expect(one.mostInFlight).toBeLessThanOrEqual(SLOTS);
  expect(one.parts.deliveries.cursor).toBe(500);
  expect(one.parts.deliveries.open.size).toBe(0);
});

it("writes at most 4 rows per delivered event, alarms included, even when events come one by one", async () => {
  const one = await world();
  one.append(1);
  one.notify();
  await one.pass(6_000);
  const before = one.turns.rowsWritten + one.alarms;
  const events = 2 * KEPT_DELIVERIES + 200;
  for (let sent = 0; sent < events; sent += 50) {
    for (let each = 0; each < 50; each++) {
      one.append(1);
      one.notify();
    }
    await one.pass(6_000);
  }
  const bulk = one.turns.rowsWritten + one.alarms - before;
  expect(bulk / events).toBeLessThanOrEqual(4);

  const single = one.turns.rowsWritten + one.alarms;
  for (let each = 0; each < 5; each++) {
    one.append(1);
    one.notify();
    await one.pass(6_000);
  }
  // One row for the lease and the cursor, one for the result, one for the alarm; one later, when the row is removed.
  expect((one.turns.rowsWritten + one.alarms - single) / 5).toBeLessThanOrEqual(3);
  expect(one.lost).toEqual([]);
});

it("asks an instance that cannot answer again, and forgets nothing meanwhile", async () => {
  const one = await world();
  one.state = "unavailable";
  one.append(3);
  one.notify();
  await one.pass(60_000);
  expect(one.requests).toEqual([]);
  expect(one.forgotten).toBe(false);
  expect(one.pulls.length).toBeGreaterThan(1);
  expect(one.pulls.length).toBeLessThan(60);
  one.state = "active";
  await one.pass(10_000);
  expect(one.lost).toEqual([]);
  expect(one.twice).toBe(0);
});

it("removes old deliveries and never the cursor with them", async () => {
  const one = await world();
  one.append(3 * KEPT_DELIVERIES);
  one.notify();
  await one.pass(10_000);
  const kept = one.turns.sql.exec<{ n: number }>("SELECT count(*) AS n FROM deliveries").one().n;
  expect(kept).toBeLessThanOrEqual(2 * KEPT_DELIVERIES);
  one.restart();
  expect(one.parts.deliveries.cursor).toBe(3 * KEPT_DELIVERIES);
  one.notify();
  await one.pass(10_000);
  expect(one.twice).toBe(0);
});

it("climbs the whole ladder, the first retry within 5 s, and gives a delivery up after its last rung", async () => {
  const one = await world();
  one.reply = () => answers(500);
  one.append(1);
  one.notify();
  await one.pass(4 * 86_400_000);
  expect(one.requests).toHaveLength(LADDER_MS.length);
  const gaps = one.requests.slice(1).map(({ at }, index) => at - one.requests[index]!.at);
  expect(gaps[0]).toBeLessThanOrEqual(5_000);
  for (const [index, gap] of gaps.entries()) expect(gap).toBeGreaterThanOrEqual(LADDER_MS[index + 1]!);
  expect(new Set(one.requests.map(({ id }) => id)).size).toBe(1);
  const times = new Set(one.requests.map(({ headers }) => headers.get("webhook-timestamp")));
  expect(times.size).toBe(LADDER_MS.length);
  expect(one.parts.deliveries.open.size).toBe(0);
  expect(one.alarm).toBeNull();
  const { items } = one.parts.log.list(50, null);
  expect(items.map(({ attempt, outcome }) => `${attempt} ${outcome}`)).toEqual(
    LADDER_MS.map((_, index) => `${LADDER_MS.length - index} failed`),
  );
});

it("waits as long as Retry-After says, and slows the whole endpoint for an overloaded receiver", async () => {
  const one = await world();
  one.reply = (_, count) => (count === 1 ? answers(503, { "retry-after": "120" }) : answers(200));
  one.append(40);
  one.notify();
  await one.pass(119_000);
  expect(one.received.length).toBeLessThanOrEqual(SLOTS);
  one.reply = () => answers(200);
  await one.pass(10 * MINUTE);
  expect(one.lost).toEqual([]);
});

it.each([
  ["gone", () => answers(410)],
  ["receiver", () => answers(200, { "webhook-delivery": "disable" })],
] as const)("is disabled when the receiver says so (%s), once, and catches up when resumed", async (cause, reply) => {
  const one = await world();
  one.reply = reply;
  one.append(30);
  one.notify();
  await one.pass(10_000);
  expect(one.disabled.map((each) => each.cause)).toEqual([cause]);
  expect(one.received.length).toBeLessThanOrEqual(SLOTS);
  one.append(5);
  await one.pass(86_400_000);
  expect(one.received.length).toBeLessThanOrEqual(SLOTS);
  expect(one.alarm).toBeNull();

  one.reply = () => answers(200);
  one.state = "active";
  one.activation++;
  one.notify();
  await one.pass(10_000);
  expect(one.lost).toEqual([]);
  expect(one.disabled).toHaveLength(1);
});

it("is disabled after five days of nothing but failure", async () => {
  const one = await world();
  one.reply = () => answers(500);
  for (let day = 0; day < 7 && one.disabled.length === 0; day++) {
    one.append(1);
    one.notify();
    await one.pass(86_400_000);
  }
  expect(one.disabled.map((each) => each.cause)).toEqual(["failing"]);
});

it("a disabling told late does not undo a resume", async () => {
  const one = await world();
  one.reply = () => answers(410);
  one.append(1);
  one.killAt("disabling told");
  one.notify();
  await one.calm();
  expect(one.dead).toBe(true);
  expect(one.disabled).toHaveLength(1);
  one.state = "active";
  one.activation++;
  one.reply = () => answers(200);
  one.restart();
  one.notify();
  await one.pass(10_000);
  expect(one.disabled).toHaveLength(1);
  expect(one.state).toBe("active");
  expect(one.lost).toEqual([]);
});

it("sends nothing of what its owner may not see any more, not even what it had read before", async () => {
  const one = await world();
  one.reply = () => answers(500);
  one.append(20);
  one.notify();
  await one.pass(0);
  const before = one.received.length;
  one.hidden = new Set(one.ledger.map(({ seq }) => seq));
  one.reply = () => answers(200);
  await one.pass(30 * MINUTE);
  expect(one.received.length).toBe(before);
  expect(one.parts.deliveries.open.size).toBe(0);

  one.append(1);
  one.state = "inactive";
  one.notify();
  await one.pass(MINUTE);
  expect(one.received.length).toBe(before);
});

it("asks again whether it may send when a slow receiver kept events waiting", async () => {
  const one = await world();
  const waiting: (() => void)[] = [];
  one.reply = () => new Promise((resolve) => waiting.push(() => resolve(answers(200))));
  one.append(60);
  one.notify();
  await one.calm();
  expect(one.received).toHaveLength(SLOTS);
  one.state = "inactive";
  one.now += 10_000;
  for (const answer of waiting.splice(0)) answer();
  await one.pass(MINUTE);
  expect(one.received).toHaveLength(SLOTS);
});

it("keeps to its rate", async () => {
  const one = await world({ ratePerMinute: 60 });
  one.append(200);
  one.notify();
  await one.pass(MINUTE);
  expect(one.received.length).toBeGreaterThanOrEqual(50);
  expect(one.received.length).toBeLessThanOrEqual(75);
  await one.pass(3 * MINUTE);
  expect(one.lost).toEqual([]);
});

it("a receiver that never answers holds its six slots for 15 s and loses nothing", async () => {
  const one = await world();
  one.reply = (_, count) => (count === 1 ? null : answers(200));
  one.append(8);
  one.notify();
  await one.calm();
  expect(one.received).toHaveLength(SLOTS);
  one.now += 15_001;
  await new Promise((resolve) => setTimeout(resolve, 20));
  await one.calm();
  const { items } = one.parts.log.list(50, null);
  expect(items.filter((item) => item.reason?.kind === "timeout")).toHaveLength(SLOTS);
  one.reply = () => answers(200);
  await one.pass(10 * MINUTE);
  expect(one.lost).toEqual([]);
});

it("forgets itself when its instance does not know it", async () => {
  const one = await world();
  one.append(1);
  one.state = "unknown";
  one.notify();
  await one.pass(0);
  expect(one.forgotten).toBe(true);
  expect(one.received).toEqual([]);
});

it("sends one event again, or all from a seq on, under their old ids", async () => {
  const one = await world();
  one.append(10);
  one.notify();
  await one.pass(0);
  one.parts.deliveries.replayOne(one.ledger[3]!, one.now);
  one.parts.dispatcher.renew();
  await one.pass(0);
  expect(one.received.slice(10)).toEqual(["evt_000004"]);
  one.parts.deliveries.moveTo(7);
  one.parts.dispatcher.renew();
  await one.pass(0);
  expect(one.received.slice(11)).toEqual(["evt_000008", "evt_000009", "evt_000010"]);
});

it("a test event says that it is one, and its result counts for nothing", async () => {
  const one = await world();
  one.reply = () => answers(410);
  const tested = await one.parts.test("restore.failed");
  expect(tested).toMatchObject({ status: 410, reason: { kind: "gone" } });
  const [request] = one.requests;
  expect(request!.id).toMatch(/^evt_test_[0-9A-Za-z]{16}$/);
  expect(JSON.parse(request!.body)).toMatchObject({ id: request!.id, seq: 0, instance: "acme", data: { test: true } });
  await one.pass(10_000);
  expect(one.disabled).toEqual([]);
  expect(one.parts.log.list(5, null).items).toMatchObject([{ test: true, seq: null, outcome: "failed" }]);
});

it("a wrong ENCRYPTION_KEY sends nothing and loses nothing", async () => {
  const one = await world();
  one.append(3);
  const right = Reflect.get(one, "key");
  Reflect.set(one, "key", crypto.getRandomValues(new Uint8Array(32)));
  one.restart();
  one.notify();
  await one.pass(MINUTE);
  expect(one.received).toEqual([]);
  expect(one.parts.dispatcher.progress.locked).toBe(true);
  Reflect.set(one, "key", right);
  one.restart();
  one.notify();
  await one.pass(MINUTE);
  expect(one.lost).toEqual([]);
});

it("sends what waits, and keeps the newest results, after a clock ran a year ahead and was set back", async () => {
  const one = await world({ ratePerMinute: 600 });
  const present = one.now;
  one.now += 365 * 86_400_000;
  one.reply = () => answers(503);
  one.append(3);
  one.notify();
  await one.pass(60_000);
  expect(one.parts.deliveries.open.size).toBe(3);
  one.now = present;
  one.restart();
  one.reply = () => answers(204);
  one.notify();
  await one.pass(10_000);
  expect(one.parts.deliveries.open.size).toBe(0);

  const { sql } = one.turns;
  sql.exec("UPDATE deliveries SET at = ? WHERE state >= 2", one.now + 365 * 86_400_000);
  expect(one.parts.dispatcher.progress.lastSuccess).toBeLessThanOrEqual(one.now);
  one.restart();
  one.notify();
  one.append(2 * KEPT_DELIVERIES);
  one.notify();
  await one.pass(600_000);
  expect(sql.exec<{ n: number }>("SELECT count(*) AS n FROM deliveries WHERE at > ?", one.now).one().n).toBe(0);
});
