import { afterAll, expect, it, vi } from "vitest";
import { secureRandom } from "../../src/base/random.ts";
import { SLOTS } from "../../src/endpoints/sender.ts";
import { Ledger } from "../../src/instances/ledger/store.ts";
import { instanceSteps } from "../../src/instances/schema.ts";
import { ANNOUNCE_MS, Announcer } from "../../src/instances/webhooks/announcer.ts";
import { Endpoints } from "../../src/instances/webhooks/store.ts";
import type { EventDraft } from "../../src/ledger/event.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { Turns } from "../harness/object-sqlite.ts";
import { SOON } from "../harness/waiting.ts";
import { type CrashRow, writeCrashTable } from "../harness/webhooks/crash-table.ts";
import { answers, EndpointWorld, type KillPoint } from "../harness/webhooks/endpoint-process.ts";
import { anEndpoint } from "../harness/webhooks/endpoint-record.ts";
import { WebhookStage } from "../harness/webhooks/relay.ts";

/** After a restart everything that a kill interrupted must have gone out again by then. */
const AGAIN_MS = 10_000;
const rows: CrashRow[] = [];

function note(point: string, how: CrashRow["how"], lost: number, twice: number): void {
  expect(lost, `${point}: lost`).toBe(0);
  expect(twice, `${point}: twice`).toBeLessThanOrEqual(SLOTS);
  rows.push({ point, how, lost, most: how === "SIGKILL" || twice > 0 ? SLOTS : 0 });
}

async function begun(): Promise<EndpointWorld> {
  const world = new EndpointWorld();
  await world.create();
  world.append(5);
  world.notify();
  await world.pass(0);
  return world;
}

/** The process dies at the point while 40 events are on their way, and comes back with what it had committed. */
async function killed(point: KillPoint, time = 1): Promise<EndpointWorld> {
  const world = await begun();
  world.append(40);
  world.killAt(point, time);
  world.notify();
  await world.calm();
  return world;
}

async function recovers(world: EndpointWorld): Promise<void> {
  world.restart();
  await world.pass(AGAIN_MS);
}

it.each([
  ["before the question for new events leaves", "pull sent"],
  ["when the events arrived, before anything is written", "pull answered"],
  ["before the lease rows are written", "page being written"],
  ["when the lease rows are written, before they are committed", "page written"],
  ["after the lease, before the request leaves", "request about to leave"],
  ["when the receiver has the request", "receiver has it"],
  ["after the 2xx, before it is written", "answer arrived"],
  ["before the results are written", "result being written"],
  ["when the results are written, before they are committed", "result written"],
] as const)("killed %s: nothing is lost", async (words, point) => {
  const world = await killed(point, /^(pull|page)/.test(point) ? 1 : 2);
  expect(world.dead).toBe(true);
  // An alarm is stored before the notification is acknowledged, so the restart needs no notification.
  expect(world.alarm).not.toBeNull();
  await recovers(world);
  note(words, "simulated", world.lost.length, world.twice);
});

it("killed with six requests under way: at most these six come twice", async () => {
  const world = await begun();
  world.reply = () => null;
  world.append(40);
  world.notify();
  await world.calm();
  world.kill();
  world.reply = () => answers(200);
  await recovers(world);
  expect(world.twice).toBe(SLOTS);
  note("with six requests under way", "simulated", world.lost.length, world.twice);
});

it.each([
  ["in the alarm, before it is armed again", "alarm, before it is armed again"],
  ["between arming the alarm and sending", "alarm, after it was armed"],
  ["before a retry is leased", "retry being leased"],
  ["when a retry is leased, before that is committed", "retry leased"],
] as const)("killed %s: the retries still go out", async (words, point) => {
  const world = await begun();
  world.reply = (_, count) => answers(count === 1 ? 500 : 200);
  world.append(20);
  world.notify();
  await world.calm();
  world.killAt(point);
  await world.pass(6_000);
  expect(world.dead).toBe(true);
  world.reply = () => answers(200);
  const before = world.received.length;
  world.restart();
  // An alarm whose handler did not return comes again.
  world.ring();
  await world.pass(AGAIN_MS);
  const again = world.received.slice(before);
  expect(new Set(again).size).toBe(20);
  note(words, "simulated", world.lost.length, again.length - 20);
});

it("killed during a rotation: the endpoint signs with one set of secrets or the other, and sends on", async () => {
  const world = await begun();
  const before = await world.parts.store.publicKeys();
  world.killAt("secrets being written");
  await expect(world.parts.store.rotate(null, world.now + 60_000)).rejects.toThrow();
  world.restart();
  expect(await world.parts.store.publicKeys()).toEqual(before);
  world.append(10);
  world.notify();
  await world.pass(AGAIN_MS);
  note("during a rotation", "simulated", world.lost.length, world.twice);
});

it("killed during a replay: it goes on from the moved cursor", async () => {
  const world = await begun();
  world.append(30);
  world.notify();
  await world.pass(0);
  world.received.length = 0;
  world.parts.deliveries.moveTo(0);
  world.killAt("receiver has it", 10);
  world.parts.dispatcher.renew();
  await world.calm();
  expect(world.dead).toBe(true);
  await recovers(world);
  note("during a replay", "simulated", world.lost.length, world.twice);
});

it("killed when the instance disabled the endpoint, before the endpoint knew: it is told once, and resumes", async () => {
  const world = await begun();
  world.reply = () => answers(410);
  world.append(10);
  world.killAt("disabling told");
  world.notify();
  await world.calm();
  expect(world.dead).toBe(true);
  world.restart();
  await world.pass(AGAIN_MS);
  expect(world.disabled).toHaveLength(1);
  world.received.length = 5;
  world.reply = () => answers(200);
  world.state = "active";
  world.activation++;
  world.notify();
  await world.pass(AGAIN_MS);
  note("while it is being disabled", "simulated", world.lost.length, world.twice);
});

it("evicted in the middle: the object comes back with its alarm", async () => {
  const world = await begun();
  world.reply = () => null;
  world.append(40);
  world.notify();
  await world.calm();
  world.reply = () => answers(200);
  await recovers(world);
  note("object evicted by the platform", "simulated", world.lost.length, world.twice);
});

it("an alarm that the platform dropped: the watchdog's round arms it again", async () => {
  const world = await begun();
  world.reply = (_, count) => answers(count === 1 ? 500 : 200);
  world.append(10);
  world.notify();
  await world.calm();
  world.alarm = null;
  world.restart();
  await world.pass(3_600_000);
  expect(world.received).toHaveLength(15);
  world.notify();
  await world.pass(AGAIN_MS);
  expect(world.received).toHaveLength(25);
  note("alarm dropped by the platform", "simulated", world.lost.length, 0);
});

const draft: EventDraft = {
  type: "key.revoked",
  data: { key: { id: "Zk3v9QpLx7", name: "robot" }, how: "deleted", actor: { kind: "admin" } },
};
const record = anEndpoint();

/** The instance's side on a database of its own; its notifications reach the world's endpoint unless it is deaf. */
function instanceOn(turns: Turns, world: EndpointWorld, deaf: () => boolean) {
  const clock = () => world.now;
  const ledger = new Ledger(turns.sql, clock, secureRandom, () => "acme");
  const endpoints = new Endpoints({ storage: turns.storage, keys: null as never, ledger, clock });
  const alarms: number[] = [];
  const announcer = new Announcer({
    sql: turns.sql,
    ledger,
    endpoints,
    endpoint: () => ({
      async notify() {
        await turns.gate();
        if (deaf()) return new Promise<never>(() => undefined);
        world.ledger.splice(0, world.ledger.length, ...ledger.feed(0, 100, ["*"], { everything: true }).events);
        world.notify();
        return world.parts.deliveries.cursor;
      },
    }),
    clock,
    sleep: () => new Promise(() => undefined),
    detach: (work) => void work,
    wake: (at) => alarms.push(at),
  });
  ledger.onAppend = () => announcer.ledgerGrew();
  return { ledger, endpoints, announcer, alarms };
}

it("killed around the ledger's commit: what was not committed never was, what was committed is announced", async () => {
  const world = new EndpointWorld();
  await world.create();
  const turns = new Turns();
  migrate(turns.storage, instanceSteps);
  let deaf = true;
  const first = instanceOn(turns, world, () => deaf);
  first.endpoints.put(record);
  await turns.gate();

  first.ledger.append([draft]);
  turns.kill();
  await world.calm();
  const second = instanceOn(turns, world, () => deaf);
  expect(second.ledger.head.seq).toBe(0);
  expect(second.announcer.due()).toBe(Number.POSITIVE_INFINITY);
  note("before the ledger's commit", "simulated", world.received.length, 0);

  second.ledger.append([draft, draft]);
  // The alarm is written in the turn of the event.
  expect(second.alarms).toEqual([world.now + ANNOUNCE_MS]);
  await turns.gate();
  await world.calm();
  expect(world.received).toEqual([]);
  deaf = false;
  const third = instanceOn(turns, world, () => deaf);
  expect(third.announcer.due()).toBeLessThanOrEqual(world.now + ANNOUNCE_MS);
  third.announcer.run(world.now);
  await world.pass(0);
  expect(world.ledger).toHaveLength(2);
  expect(third.announcer.due()).toBe(Number.POSITIVE_INFINITY);
  note("after the ledger's commit, the notification lost", "simulated", world.lost.length, world.twice);
});

const twiceOf = (ids: readonly string[]) => ids.length - new Set(ids).size;
const missing = (wanted: readonly string[], got: readonly string[]) => wanted.filter((id) => !got.includes(id));

/** Kills the real process when `when` resolves, starts it again, and waits until everything has arrived. */
async function reallyKilled(
  stage: WebhookStage,
  point: string,
  events: number,
  when: (stage: WebhookStage, kill: () => Promise<void>) => Promise<void>,
): Promise<void> {
  try {
    await stage.hook("/in");
    await stage.happen(1);
    await vi.waitUntil(() => stage.receiver.at("/in").length === 1, SOON);
    const since = stage.receiver.got.length;
    let killing: Promise<void> | null = null;
    await when(stage, () => {
      killing ??= stage.relay.kill9();
      return killing;
    });
    await killing;
    stage.receiver.answers.delete("/in");
    await stage.relay.restart();
    const wanted = (await stage.events(1)).slice(-events);
    const got = () => stage.receiver.ids("/in").slice(since);
    await vi.waitUntil(() => missing(wanted, got()).length === 0, { ...SOON, timeout: AGAIN_MS });
    await new Promise((resolve) => setTimeout(resolve, 200));
    note(point, "SIGKILL", missing(wanted, got()).length, twiceOf(got()));
  } finally {
    await stage.stop();
  }
}

it("SIGKILL of workerd, at four points at once: nothing lost, at most six twice, within 10 s", async () => {
  const stages: WebhookStage[] = [];
  for (let each = 0; each < 4; each++) stages.push(await WebhookStage.start());
  const [first, second, third, fourth] = stages as [WebhookStage, WebhookStage, WebhookStage, WebhookStage];
  await Promise.all([
    reallyKilled(first, "when six receivers have it and none has answered", 30, async (stage, kill) => {
      stage.receiver.answers.set("/in", () => undefined);
      const happening = stage.happen(30).catch(() => undefined);
      await vi.waitUntil(() => stage.receiver.at("/in").length === 1 + SLOTS, SOON);
      await happening;
      await kill();
    }),
    reallyKilled(second, "as the 20th answer leaves the receiver", 60, async (stage, kill) => {
      let answered = 0;
      const happening = new Promise<void>((resolve) => {
        stage.receiver.answers.set("/in", (response) => {
          response.end("ok");
          if (++answered === 20) void kill().then(resolve);
        });
      });
      await stage.happen(60).catch(() => undefined);
      await happening;
    }),
    reallyKilled(third, "as the call that made the events is answered", 40, async (stage, kill) => {
      const { fake } = stage.server;
      for (let file = 0; file < 40; file++)
        await fake.put(`late${file}.zip`, { size: 1, read: () => new Uint8Array(1) }, fake.now() - 60_000);
      await stage.look();
      await kill();
    }),
    reallyKilled(fourth, "between a failure and its retry", 20, async (stage, kill) => {
      stage.receiver.answers.set("/in", (response) => {
        response.statusCode = 500;
        response.end();
      });
      await stage.happen(20);
      await vi.waitUntil(() => new Set(stage.receiver.ids("/in")).size === 21, SOON);
      await new Promise((resolve) => setTimeout(resolve, 300));
      stage.receiver.got.length = 1;
      await kill();
    }),
  ]);
});

/** Fewer when only some of the tests ran, or one failed: then the table stays as it is. */
const POINTS = 25;

afterAll(() => {
  const real = rows.filter(({ how }) => how === "SIGKILL").sort((a, b) => (a.point < b.point ? -1 : 1));
  if (rows.length === POINTS) writeCrashTable([...rows.filter(({ how }) => how === "simulated"), ...real]);
});
