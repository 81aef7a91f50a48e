import { expect, it } from "vitest";
import { KEPT_DELIVERIES } from "../../src/endpoints/finished-deliveries.ts";
import { SLOTS } from "../../src/endpoints/sender.ts";
import { LADDER_MS } from "../../src/webhooks/retry.ts";
import { answers, EndpointWorld } from "../harness/webhooks/endpoint-process.ts";

/** What happens while something else is still under way. */

async function world(count = 0): Promise<EndpointWorld> {
  const made = new EndpointWorld();
  await made.create();
  made.append(count);
  return made;
}

/** A receiver whose answers the test gives one by one. */
function held(one: EndpointWorld) {
  const waiting = new Map<string, (response: Response) => void>();
  one.reply = (id) => new Promise((resolve) => void waiting.set(id, resolve));
  return {
    waiting,
    answer(id: string, response: Response) {
      waiting.get(id)!(response);
      waiting.delete(id);
    },
  };
}

it("a success that was under way when the receiver said it is overloaded does not end the pause", async () => {
  const one = await world(40);
  const { waiting, answer } = held(one);
  one.notify();
  await one.calm();
  const [first, ...others] = [...waiting.keys()];
  one.now += 10;
  answer(first!, answers(429, { "retry-after": "3600" }));
  await one.calm();
  one.now += 10;
  for (const id of others) answer(id, answers(200));
  await one.calm();
  one.reply = () => answers(200);
  await one.pass(3_500_000);
  expect(one.received).toHaveLength(SLOTS);
  await one.pass(200_000);
  expect(one.lost).toEqual([]);
});

it("an old 410 does not disable an endpoint that was resumed since", async () => {
  const one = await world(12);
  const { waiting, answer } = held(one);
  one.notify();
  await one.calm();
  const [first, ...others] = [...waiting.keys()];
  answer(first!, answers(410));
  await one.calm();
  await one.pass(1_000);
  expect(one.disabled).toHaveLength(1);
  one.state = "active";
  one.activation++;
  one.reply = () => answers(200);
  one.notify();
  await one.calm();
  for (const id of others) answer(id, answers(410));
  await one.pass(20_000);
  expect(one.disabled).toHaveLength(1);
  expect(one.lost).toEqual([]);
});

it("a retry comes at its time though another request hangs", async () => {
  const one = await world(1);
  one.reply = () => null;
  one.notify();
  await one.calm();
  one.now += 1_000;
  one.reply = (_, count) => answers(count === 1 ? 500 : 200);
  one.append(1);
  one.notify();
  await one.calm();
  const failedAt = one.now;
  await one.pass(LADDER_MS[1]);
  const tries = one.requests.filter(({ id }) => id === one.ledger[1]!.id);
  expect(tries.map(({ at }) => at - failedAt)).toEqual([0, LADDER_MS[1]]);
});

it("tests take slots among the six, and wait for one", async () => {
  const one = await world(40);
  const { waiting } = held(one);
  one.notify();
  await one.calm();
  const tests = Promise.all(Array.from({ length: 10 }, () => one.parts.test("backup.created")));
  await one.calm();
  expect(one.inFlight).toBe(SLOTS);
  one.reply = () => answers(200);
  for (const resolve of waiting.values()) resolve(answers(200));
  expect((await tests).map((each) => each?.status)).toEqual(Array(10).fill(200));
  await one.pass(10_000);
  expect(one.mostInFlight).toBe(SLOTS);
  expect(one.lost).toEqual([]);
});

it("a replay from a seq brings forward what still waits for its next attempt", async () => {
  const one = await world(4);
  one.reply = (id) => answers(id === one.ledger[0]!.id || id === one.ledger[2]!.id ? 500 : 200);
  one.notify();
  await one.pass(20_000);
  one.reply = () => answers(200);
  const before = one.received.length;
  one.parts.deliveries.replay(1, one.now);
  one.parts.dispatcher.renew();
  await one.pass(0);
  expect(one.received.slice(before).sort()).toEqual(one.ledger.slice(1).map(({ id }) => id));
  const [waits] = one.parts.deliveries.open.values();
  expect(waits).toMatchObject({ event: one.ledger[0]!.id, attempts: 2 });
});

it("one event asked for while its last attempt is under way is sent again, however that one ends", async () => {
  const one = await world(1);
  one.reply = () => answers(500);
  one.notify();
  await one.calm();
  let end: (response: Response) => void = () => undefined;
  for (let tries = 1; tries < LADDER_MS.length; tries++) {
    if (tries === LADDER_MS.length - 1) one.reply = () => new Promise((resolve) => (end = resolve));
    const [open] = one.parts.deliveries.open.values();
    one.now = open!.due;
    one.ring();
    await one.calm();
  }
  expect(one.received).toHaveLength(LADDER_MS.length);
  one.parts.deliveries.replayOne(one.ledger[0]!, one.now);
  one.reply = () => answers(200);
  end(answers(500));
  await one.pass(0);
  expect(one.received).toHaveLength(LADDER_MS.length + 1);
  expect(one.parts.deliveries.open.size).toBe(0);
});

it("news that comes while the instance is asked is not overtaken by the older answer", async () => {
  const one = await world(3);
  one.state = "inactive";
  one.notify();
  // The question is answered `silent`; before that arrives the endpoint is resumed and told so.
  one.onAnswer = () => {
    one.onAnswer = () => undefined;
    one.state = "active";
    one.activation++;
    one.notify();
  };
  await one.pass(0);
  expect(one.lost).toEqual([]);
});

it("replays do not make the end of every batch look through all rows", async () => {
  const one = await world(600);
  one.notify();
  await one.pass(0);
  for (let n = 0; n < 5; n++) {
    one.parts.deliveries.replay(0, one.now);
    one.parts.dispatcher.renew();
    await one.pass(0);
  }
  expect(one.received).toHaveLength(600 * 6);
  expect(one.parts.deliveries.finished.count).toBeLessThanOrEqual(2 * KEPT_DELIVERIES);
  expect(one.turns.sql.exec<{ n: number }>("SELECT count(*) AS n FROM deliveries").one().n).toBe(600);
});

it("lists every attempt once across pages, though many ended in the same millisecond", async () => {
  const one = await world(50);
  one.reply = (id) => answers(Number(id.slice(-2)) % 3 === 0 ? 500 : 200);
  one.notify();
  await one.pass(0);
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page: ReturnType<typeof one.parts.log.list> = one.parts.log.list(7, cursor);
    seen.push(...page.items.map(({ event, outcome }) => `${event} ${outcome}`));
    expect(page.items.length).toBeLessThanOrEqual(7);
    cursor = page.nextCursor;
  } while (cursor !== null);
  expect(new Set(seen).size).toBe(50);
  expect(seen).toHaveLength(50);
});
