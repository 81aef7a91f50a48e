import { expect, it } from "vitest";
import { dueWithin, isWithin, pastOrUnknown } from "../../src/base/clock.ts";

const NOW = Date.UTC(2026, 10, 23, 12);
const YEAR = 365 * 86_400_000;

it("believes a stored time that has passed, takes one that a set clock dated a little ahead for now, and no other", () => {
  expect(pastOrUnknown(null, NOW)).toBeNull();
  expect([NOW - YEAR, NOW, NOW + 500].map((at) => pastOrUnknown(at, NOW))).toEqual([NOW - YEAR, NOW, NOW]);
  expect(pastOrUnknown(NOW + YEAR, NOW)).toBeNull();
});

it("takes a window for over, and what was put off for due, when they are further ahead than they can be", () => {
  const windows = [NOW - 999, NOW - 1_000, NOW + 999, NOW + YEAR].map((at) => isWithin(at, 1_000, NOW));
  expect(windows).toEqual([true, false, true, false]);
  expect([NOW - 1, NOW + 1_000, NOW + YEAR].map((at) => dueWithin(at, 1_000, NOW))).toEqual([
    NOW - 1,
    NOW + 1_000,
    NOW,
  ]);
  expect(dueWithin(Number.POSITIVE_INFINITY, 1_000, NOW)).toBe(Number.POSITIVE_INFINITY);
});
