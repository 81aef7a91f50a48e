import { expect, it } from "vitest";
import { durationInWords, sizeInWords, timeInWords } from "../../src/base/words.ts";

it("says sizes in three digits", () => {
  const said = [0, 1, 999, 1000, 1499, 48_212_992, 999_400, 999_600, 660_341_120, 5e12, 7e18].map(sizeInWords);
  expect(said).toEqual([
    "0 bytes",
    "1 byte",
    "999 bytes",
    "1 kB",
    "1.5 kB",
    "48.2 MB",
    "999 kB",
    "1 MB",
    "660 MB",
    "5 TB",
    "7000 PB",
  ]);
});

it("says durations in two units", () => {
  const said = [-5, 0, 0.9, 1, 59, 60, 61, 3_600, 3_661, 86_400, 90_012, 172_859, 31_536_000].map(durationInWords);
  expect(said).toEqual([
    "less than a second",
    "less than a second",
    "less than a second",
    "1 second",
    "59 seconds",
    "1 minute",
    "1 minute 1 second",
    "1 hour",
    "1 hour 1 minute",
    "1 day",
    "1 day 1 hour",
    "2 days",
    "365 days",
  ]);
});

it("says times to the minute", () => {
  expect(timeInWords("2026-11-22T10:00:59.999Z")).toBe("2026-11-22 10:00 UTC");
  expect(timeInWords("soon")).toBeNull();
});
