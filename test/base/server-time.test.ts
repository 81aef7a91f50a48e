import { expect, it } from "vitest";
import { readServerTime } from "../../src/base/server-time.ts";

it("reads a server's time with a space or a T, with and without a fraction", () => {
  const at = Date.parse("2026-11-23T00:17:13.814Z");
  expect(readServerTime("2026-11-23 00:17:13.814Z")).toBe(at);
  expect(readServerTime("2026-11-23T00:17:13.814Z")).toBe(at);
  expect(readServerTime("2026-11-23 00:17:13.814999999Z")).toBe(at);
  expect(readServerTime("2026-11-23 00:17:13.8Z")).toBe(at - 14);
  expect(readServerTime("2026-11-23 00:17:13Z")).toBe(at - 814);
  expect(readServerTime("2024-02-29 23:59:59.000Z")).toBe(Date.parse("2024-02-29T23:59:59Z"));
});

it("reads nothing out of what is not a time", () => {
  for (const text of [
    "",
    "now",
    "2026-11-23",
    "2026-11-23 00:17:13",
    "2026-11-23 00:17:13.814+00:00",
    "2026-02-30 00:00:00Z",
    "2026-13-01 00:00:00Z",
    "2026-11-23 24:00:00Z",
    "2026-11-23 00:60:00Z",
    "0001-01-01 00:00:00Z",
    " 2026-11-23 00:17:13Z",
    "2026-11-23  00:17:13Z",
  ]) {
    expect(readServerTime(text), text).toBeNull();
  }
});
