import { expect, it } from "vitest";
import { Deadlines } from "../../src/endpoints/deadlines.ts";

const ROUND_MS = 250;
const BEGAN = 1_795_000_000_000;

/** A clock and a sleep that pass when the test says so. */
function time() {
  let now = BEGAN;
  let sleeper: { until: number; wake: () => void } | null = null;
  const timers = { running: 0, started: 0 };
  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      timers.running++;
      timers.started++;
      sleeper = {
        until: now + ms,
        wake: () => {
          timers.running--;
          resolve();
        },
      };
    });
  /** The timer rings, whatever the clock says by then. */
  const ring = async () => {
    const ringing = sleeper;
    sleeper = null;
    ringing?.wake();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  return {
    deadlines: new Deadlines(() => now, sleep),
    timers,
    ring,
    set: (at: number) => {
      now = at;
    },
    async pass(ms: number) {
      const end = now + ms;
      while (sleeper !== null && sleeper.until <= end) {
        now = sleeper.until;
        await ring();
      }
      now = end;
    },
  };
}

it("requests that start in the same quarter of a second share a signal and the timer; later ones have their own", async () => {
  const { deadlines, timers, pass } = time();
  const one = deadlines.within(15_000);
  const other = deadlines.within(15_000);
  expect(other.signal).toBe(one.signal);
  await pass(ROUND_MS + 1);
  const later = deadlines.within(15_000);
  expect(later.signal).not.toBe(one.signal);
  expect(timers.running).toBe(1);
});

it("lifting one neither ends nor delays the other's", async () => {
  const { deadlines, pass } = time();
  const one = deadlines.within(15_000);
  const other = deadlines.within(15_000);
  await pass(1_000);
  deadlines.release(one);
  await pass(13_999);
  expect(other.signal.aborted).toBe(false);
  await pass(2 * ROUND_MS);
  expect(other.signal.aborted).toBe(true);
});

it("nothing aborts and no timer is left when all are lifted", async () => {
  const { deadlines, timers, pass } = time();
  const all = [deadlines.within(15_000), deadlines.within(15_000), deadlines.within(1_000)];
  for (const one of all) deadlines.release(one);
  await pass(2 * ROUND_MS);
  expect(timers.running).toBe(0);
  const { started } = timers;
  await pass(60_000);
  expect(timers.started).toBe(started);
  expect(all.map(({ signal }) => signal.aborted)).toEqual([false, false, false]);

  const next = deadlines.within(1_000);
  expect(timers.running).toBe(1);
  await pass(1_000 + 2 * ROUND_MS);
  expect(next.signal.aborted).toBe(true);
  expect(timers.running).toBe(0);
});

it.each([0, 1, 249])("aborts no earlier than asked, and within two rounds of it, %i ms into a round", async (into) => {
  const { deadlines, pass } = time();
  await pass(into);
  const { signal } = deadlines.within(1_000);
  for (let ms = 0; ms < 1_000; ms += 50) {
    await pass(50);
    if (ms + 50 < 1_000) expect(signal.aborted).toBe(false);
  }
  await pass(2 * ROUND_MS);
  expect(signal.aborted).toBe(true);
  expect(signal.reason.name).toBe("TimeoutError");
});

it("the shorter deadline ends first, whatever the order in which they were asked for", async () => {
  const { deadlines, pass } = time();
  const long = deadlines.within(15_000);
  const short = deadlines.within(1_000);
  await pass(1_000 + 2 * ROUND_MS);
  expect(short.signal.aborted).toBe(true);
  expect(long.signal.aborted).toBe(false);
});

it("a clock that steps back: what aborted and is lifted then does not take a newer round's place", async () => {
  const { deadlines, timers, ring, set } = time();
  const old = deadlines.within(1_000);
  set(BEGAN + 1_000);
  await ring();
  expect(old.signal.aborted).toBe(true);
  set(BEGAN);
  const newer = deadlines.within(1_000);
  expect(newer.signal.aborted).toBe(false);
  deadlines.release(old);
  set(BEGAN + 1_000);
  await ring();
  expect(newer.signal.aborted).toBe(true);
  deadlines.release(newer);
  await ring();
  expect(timers.running).toBe(0);
});
