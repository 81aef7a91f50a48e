import fc from "fast-check";
import { expect, it } from "vitest";
import { GROUPS, groupOf, turnOf } from "../../src/directory/rounds.ts";

const MINUTE = 60_000;

it("wakes every share once in five minutes, whoever calls and however often", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 55_000 }), { minLength: 60, maxLength: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2_000_000_000_000 }), steps, (start, waits) => {
      const woken = new Map<number, number[]>();
      let at = start;
      let last: number | null = start;
      for (const wait of waits) {
        at += wait;
        const turn = turnOf(at, last);
        if (turn.length > 0) last = at;
        for (const slot of turn) woken.set(slot, [...(woken.get(slot) ?? []), Math.floor(at / MINUTE)]);
      }
      for (const minutes of woken.values())
        for (const [index, minute] of minutes.entries())
          if (index > 0) expect(minute - minutes[index - 1]!).toBe(GROUPS);
    }),
  );
});

it("wakes all after a start, or after a long silence, and nobody twice in one minute", () => {
  expect(turnOf(10 * MINUTE, null)).toHaveLength(GROUPS);
  expect(turnOf(30 * MINUTE, 10 * MINUTE)).toHaveLength(GROUPS);
  expect(turnOf(10 * MINUTE + 5_000, 10 * MINUTE)).toEqual([]);
  expect(turnOf(12 * MINUTE, 10 * MINUTE)).toEqual([2, 1]);
  expect(turnOf(10 * MINUTE, 500_000 * MINUTE), "a clock ran ahead").toHaveLength(GROUPS);
});

it("spreads ids over all shares", () => {
  const ids = Array.from({ length: 500 }, (_, index) => `i${index.toString(36)}xQ${(index * 7919).toString(36)}`);
  const sizes = Array.from({ length: GROUPS }, (_, slot) => ids.filter((id) => groupOf(id) === slot).length);
  for (const size of sizes) expect(size).toBeGreaterThan(50);
});
