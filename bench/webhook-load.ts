import { admin } from "../test/harness/relay-client.ts";
import { storedTransactions, transactionsBetween } from "./stored-transactions.ts";
import { forgetPeak, peakBytes } from "./usage.ts";
import type { WebhookStage } from "./webhook-stage.ts";

/** Longer than the relay leaves between two looks. */
const LOOK_MS = 2_200;
const LONGEST_MS = 120_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export type Burst = {
  /** From the first receipt to the last. */
  perSecond: number;
  /** CPU seconds of the relay per 1,000 deliveries, the look and the ledger's writing included. */
  cpuPerThousand: number;
  transactionsPerDelivery: number;
  peakMegabytes: number;
  /** From the nudge's answer to the first receipt: the look at so many files and their way into the ledger. */
  firstMs: number;
};

/** So many backups appear at once, a nudge follows, and every endpoint is to get an event for each. */
export async function burst(stage: WebhookStage, events: number, endpoints: number): Promise<Burst> {
  const { relay, receiver } = stage;
  await stage.appear(events);
  await pause(LOOK_MS);
  receiver.forget();
  forgetPeak(relay.pid);
  const [cpu, stored] = [relay.cpuSeconds(), storedTransactions(relay.dataDir)];
  await stage.nudge();
  const answered = performance.now();
  const wanted = events * endpoints;
  if (!(await receiver.until(wanted, LONGEST_MS)))
    throw new Error(`only ${receiver.received.length} of ${wanted} deliveries arrived`);
  const [first, last] = [receiver.received[0]!.at, receiver.received.at(-1)!.at];
  await pause(300);
  return {
    perSecond: ((wanted - 1) / (last - first)) * 1000,
    cpuPerThousand: ((relay.cpuSeconds() - cpu) / wanted) * 1000,
    transactionsPerDelivery: transactionsBetween(stored, storedTransactions(relay.dataDir)) / wanted,
    peakMegabytes: peakBytes(relay.pid) / 1e6,
    firstMs: first - answered,
  };
}

/**
 * One new backup per tick, found by a list call; milliseconds from the call's answer, by which the event is
 * committed, to its receipt at each healthy endpoint. What arrives before the answer counts as 0.
 */
export async function steady(stage: WebhookStage, perSecond: number, seconds: number): Promise<number[]> {
  const { relay, receiver } = stage;
  receiver.forget();
  const answered: number[] = [];
  const began = performance.now();
  for (let tick = 0; tick < perSecond * seconds; tick++) {
    await pause(Math.max(0, began + (tick * 1000) / perSecond - performance.now()));
    await stage.appear(1);
    await (await admin(relay, "/v1/backups?limit=1")).arrayBuffer();
    answered.push(performance.now());
  }
  await pause(1_500);
  const order = new Map<string, number>();
  const waits: number[] = [];
  for (const { path, id, at } of receiver.received) {
    if (!path.startsWith("/ok/")) continue;
    if (!order.has(id)) order.set(id, order.size);
    waits.push(Math.max(0, at - answered[order.get(id)!]!));
  }
  const healthy = new Set(receiver.received.map(({ path }) => path).filter((path) => path.startsWith("/ok/"))).size;
  if (waits.length !== answered.length * healthy)
    throw new Error(`${waits.length} of ${answered.length * healthy} deliveries arrived within 1.5 s`);
  return waits;
}

/** Write transactions per delivery, the instance's included, when events come one by one at this rate. */
export async function steadyTransactions(stage: WebhookStage, perSecond: number, seconds: number): Promise<number> {
  const { dataDir } = stage.relay;
  const before = storedTransactions(dataDir);
  const waits = await steady(stage, perSecond, seconds);
  return transactionsBetween(before, storedTransactions(dataDir)) / waits.length;
}

export type Kill = { lost: number; twice: number; lastMs: number };

/** SIGKILL when half of the deliveries have arrived; then a restart, and what was lost or came twice. */
export async function killedHalfway(stage: WebhookStage, events: number, endpoints: number): Promise<Kill> {
  const { relay, receiver } = stage;
  await stage.appear(events);
  await pause(LOOK_MS);
  receiver.forget();
  await stage.nudge();
  const healthy = () => receiver.received.filter(({ path }) => path.startsWith("/ok/"));
  const wanted = events * endpoints;
  await receiver.until(Math.floor(wanted / 2), LONGEST_MS);
  await relay.kill9();
  await relay.restart();
  const restarted = performance.now();
  const distinct = () => new Set(healthy().map(({ path, id }) => `${path} ${id}`)).size;
  for (const end = performance.now() + 30_000; distinct() < wanted && performance.now() < end; ) await pause(50);
  const got = healthy();
  return { lost: wanted - distinct(), twice: got.length - distinct(), lastMs: got.at(-1)!.at - restarted };
}
