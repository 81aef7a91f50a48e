import { describe, expect, it } from "vitest";
import { clockSkew, madeAt, type TimeEvidence, whyNoBackup } from "../../src/observing/made-at.ts";
import { newestOf } from "../../src/observing/newest.ts";

const NOW = Date.UTC(2026, 10, 23, 12);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const evidence = (differences: Partial<TimeEvidence> = {}): TimeEvidence => ({
  key: "a.zip",
  modified: NOW - HOUR,
  skewMs: 0,
  seenAt: NOW,
  arrival: null,
  newestEntry: null,
  ...differences,
});

describe("when a backup was made", () => {
  it.each<[string, Partial<TimeEvidence>, number, string]>([
    ["is the file's time", {}, -HOUR, "modified"],
    ["is the file's time by the relay's clock, the server's two hours behind", { skewMs: -2 * HOUR }, 0, "seen"],
    ["and two hours ahead", { modified: NOW + HOUR, skewMs: 2 * HOUR }, -HOUR, "modified"],
    ["is never later than it was seen", { modified: NOW + 60_000 }, 0, "seen"],
    ["is when it was seen, when the file's time is far ahead", { modified: NOW + 30 * DAY }, 0, "seen"],
    ["is when it was seen, when the file has no time", { modified: null }, 0, "seen"],
    ["is when the relay saw it made", { arrival: "relay", newestEntry: NOW - 700 * DAY }, -HOUR, "seen"],
    [
      "is that of the newest file in it, when it was uploaded",
      { arrival: "upload", newestEntry: NOW - 700 * DAY },
      -700 * DAY,
      "archive",
    ],
    ["and when it may have been", { newestEntry: NOW - 700 * DAY }, -700 * DAY, "archive"],
    ["but not when that is newer", { newestEntry: NOW + DAY }, -HOUR, "modified"],
    [
      "is read by the server's clock in the archive, too",
      { skewMs: 2 * HOUR, newestEntry: NOW - HOUR },
      -3 * HOUR,
      "modified",
    ],
  ])("%s", (_case, differences, at, by) => {
    expect(madeAt(evidence(differences))).toEqual({ at: NOW + at, by });
  });

  it.each(["@auto_pb_backup_acme_20261123105500.zip", "pb_backup_acme_20261123105959.zip"])(
    "does not depend on old writes in a quiet server's own backup %s",
    (key) => {
      const quiet = { key, newestEntry: NOW - 90 * DAY };
      expect(madeAt(evidence(quiet))).toEqual({ at: NOW - HOUR, by: "modified" });
      expect(madeAt(evidence({ ...quiet, arrival: "upload" })).by).toBe("archive");
      expect(madeAt(evidence({ ...quiet, modified: NOW - HOUR + DAY, seenAt: NOW + DAY })).by).toBe("archive");
    },
  );

  it("takes whole seconds and latency for no difference of clocks", () => {
    expect([null, NOW - 999, NOW + 1_500, NOW - 2_000].map((time) => clockSkew(time, NOW))).toEqual([0, 0, 0, -2_000]);
  });
});

describe("what counts as a backup", () => {
  const why = (
    differences: Partial<TimeEvidence & { size: number; ambiguous: boolean }>,
    verified: "ok" | "suspect" | "no" | "pending",
  ) => whyNoBackup({ size: 9, ...evidence(), ...differences }, verified);
  it("is what was verified or was not looked into, a ZIP by its name and not empty", () => {
    for (const verified of ["ok", "no", "pending"] as const) expect(why({}, verified)).toBeNull();
    expect(why({ key: "A.ZIP" }, "no")).toBeNull();
    expect(why({}, "suspect")).toBe("suspect");
    expect(why({ key: "notes.txt" }, "ok")).toBe("not_zip");
    expect(why({ key: "folder/a.zip" }, "ok")).toBe("not_zip");
    expect(why({ size: 0 }, "pending")).toBe("empty");
    expect(why({ ambiguous: true }, "ok")).toBe("ambiguous");
  });
  it("is a file whose time is still to come only after a look into it", () => {
    const ahead = { modified: NOW + 30 * DAY };
    expect([why(ahead, "no"), why(ahead, "pending"), why(ahead, "ok")]).toEqual(["false_time", "false_time", null]);
    expect(why({ ...ahead, arrival: "relay" }, "no")).toBeNull();
  });
});

describe("the newest backup", () => {
  type File = { key: string; at: number; bound?: number; bad?: true };
  const newest = (files: File[]) => {
    const judged: string[] = [];
    const found = newestOf(
      files,
      ({ at, bound }) => bound ?? at,
      ({ key, at, bad }) => {
        judged.push(key);
        return { madeAt: { at, by: "modified" }, verified: "no", noBackup: bad ? "suspect" : null };
      },
    );
    return [found.newest?.key ?? null, found.skipped.map(({ key }) => key), judged];
  };
  it("is the newest that counts, and what is newer is named", () => {
    const [a, b, c]: File[] = [
      { key: "a", at: 1 },
      { key: "b", at: 2, bad: true },
      { key: "c", at: 3, bad: true },
    ] as File[];
    expect(newest([a!, b!, c!])).toEqual(["a", ["c", "b"], ["c", "b", "a"]]);
    expect(newest([{ key: "z", at: 0, bad: true }, a!, { key: "d", at: 4 }])).toEqual(["d", [], ["d"]]);
    expect(newest([])).toEqual([null, [], []]);
  });
  it("is found by looking at those only that may be it", () => {
    const files = [
      { key: "old upload", at: 1, bound: 9 },
      { key: "real", at: 5 },
      { key: "older", at: 4 },
    ];
    expect(newest(files)).toEqual(["real", [], ["old upload", "real"]]);
  });
});
