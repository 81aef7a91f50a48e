import fc from "fast-check";
import { expect, it } from "vitest";
import { isBackupKey } from "../../src/observing/backup-key.ts";
import { CONFIRM_MS, STALE_LIST_MS } from "../../src/observing/diff.ts";
import { median, statsOf } from "../../src/observing/stats.ts";
import type { Fact, FileVersion } from "../../src/observing/tracked-backup.ts";
import { type Files, START, Watcher } from "../harness/watcher.ts";

const listedAs = (key: string, size: number) => ({ key, size, modified: "2026-11-22 09:00:00.000Z" });

const told = (facts: Fact[]) =>
  facts.map((fact) => (fact.kind === "store_changed" ? fact.kind : `${fact.kind} ${fact.key}`));

function watching(files: Files) {
  const watcher = new Watcher();
  expect(watcher.look(files, START), "the first look tells nothing").toEqual([]);
  return watcher;
}

it("announces a settled file at first sight and a young one at the second", () => {
  const watcher = watching({ "a.zip": {} });
  const old = { modified: START + 54_000, size: 7 };
  const young = { modified: START + 57_000 };
  const at = START + 60_000;
  expect(watcher.look({ "a.zip": {}, "b.zip": old, "c.zip": young }, at)).toEqual([
    { kind: "created", key: "b.zip", version: { size: 7, modified: START + 54_000 } },
  ]);
  expect(watcher.last).toMatchObject({ lookAgain: true });
  expect(told(watcher.look({ "a.zip": {}, "b.zip": old, "c.zip": young }, at + 2_000))).toEqual(["created c.zip"]);
  expect(watcher.last).toMatchObject({ lookAgain: false });
  expect(watcher.look({ "a.zip": {}, "b.zip": old, "c.zip": young }, at + 4_000)).toEqual([]);
  expect(watcher.last).toEqual({ facts: [], upserts: [], removed: [], lookAgain: false });
});

it("judges the age of a file by the server's clock alone", () => {
  const skewed = START - 3_600_000;
  const watcher = watching({});
  expect(told(watcher.look({ "a.zip": { modified: skewed - 6_000 } }, START, skewed))).toEqual(["created a.zip"]);
  const files = { "a.zip": { modified: skewed - 6_000 }, "b.zip": { modified: skewed - 60_000 } };
  expect(watcher.look(files, START + 1_000, null), "a server without a Date").toEqual([]);
  expect(told(watcher.look(files, START + 3_000, null))).toEqual(["created b.zip"]);
  const undated = { ...files, "c.zip": { text: "" } };
  expect(watcher.look(undated, START + 5_000), "a file without a time").toEqual([]);
  expect(watcher.look(undated, START + 7_000)).toEqual([
    { kind: "created", key: "c.zip", version: { size: 1, modified: null } },
  ]);
});

it("waits until a growing file has stopped to grow", () => {
  const watcher = watching({});
  for (let size = 1; size <= 5; size++) {
    const at = START + size * 2_000;
    expect(watcher.look({ "a.zip": { size, modified: at } }, at)).toEqual([]);
  }
  expect(watcher.look({ "a.zip": { size: 5, modified: START + 10_000 } }, START + 12_000)).toMatchObject([
    { kind: "created", version: { size: 5 } },
  ]);
});

it("tells a replaced file as a change, with what was there before", () => {
  const watcher = watching({ "a.zip": { size: 1 } });
  const changed = { "a.zip": { size: 2, modified: START } };
  expect(watcher.look(changed, START + 60_000)).toEqual([
    {
      kind: "changed",
      key: "a.zip",
      version: { size: 2, modified: START },
      previous: { size: 1, modified: 0 },
    },
  ]);
  expect(watcher.look({ "a.zip": { size: 1 } }, START + 62_000), "a list from before").toEqual([]);
  expect(watcher.look(changed, START + 64_000)).toEqual([]);
  const late = START + 61_000 + STALE_LIST_MS;
  expect(watcher.look({ "a.zip": { size: 1 } }, late)).toEqual([]);
  expect(told(watcher.look({ "a.zip": { size: 1 } }, late + CONFIRM_MS)), "really put back").toEqual(["changed a.zip"]);
});

it("tells a deletion once, after looks that all missed the file for a while", () => {
  const watcher = watching({ "a.zip": {}, "b.zip": {} });
  expect(watcher.look({ "b.zip": {} }, START + 10_000)).toEqual([]);
  expect(watcher.last!.lookAgain).toBe(true);
  expect(watcher.look({ "b.zip": {} }, START + 12_000)).toEqual([]);
  expect(watcher.look({ "a.zip": {}, "b.zip": {} }, START + 14_000), "it was only a lagging list").toEqual([]);
  expect(watcher.look({ "b.zip": {} }, START + 20_000)).toEqual([]);
  expect(watcher.look({ "b.zip": {} }, START + 20_000 + CONFIRM_MS)).toEqual([
    { kind: "deleted", key: "a.zip", version: { size: 1, modified: 0 }, pruned: false },
  ]);
  for (const later of [30_000, 40_000]) expect(watcher.look({ "b.zip": {} }, START + later)).toEqual([]);
  expect(watcher.look({ "a.zip": {}, "b.zip": {} }, START + 41_000), "an old list once more").toEqual([]);
  expect(watcher.look({ "b.zip": {} }, START + 41_000 + STALE_LIST_MS)).toEqual([]);
  expect([...watcher.tracked.keys()], "nothing is remembered for ever").toEqual(["b.zip"]);
});

it("never heard of a file that came and went between two looks, nor of one that left before it settled", () => {
  const watcher = watching({});
  expect(watcher.look({ "a.zip": { modified: START } }, START + 1_000)).toEqual([]);
  for (const later of [2_000, 9_000, 20_000]) expect(watcher.look({}, START + later)).toEqual([]);
  expect(watcher.tracked.size).toBe(0);
});

it("tells the server's own pruning from somebody's deletion", () => {
  const auto = (day: number) => `@auto_pb_backup_acme_2026112${day}000000.zip`;
  const file = (day: number) => ({ [auto(day)]: { modified: START + day * 86_400_000 } });
  const at = START + 10 * 86_400_000;
  const watcher = watching({ ...file(1), ...file(2), ...file(3), "mine.zip": {} });
  watcher.look({ ...file(1), ...file(2), ...file(3), "mine.zip": {} }, at - 120_000);
  const after = { ...file(2), ...file(3), ...file(4), "mine.zip": {} };
  expect(told(watcher.look(after, at))).toEqual([`created ${auto(4)}`]);
  expect(watcher.look(after, at + 6_000)).toMatchObject([{ kind: "deleted", key: auto(1), pruned: true }]);
  const byHand = { ...file(3), ...file(4) };
  watcher.look(byHand, at + 120_000);
  expect(watcher.look(byHand, at + 126_000)).toMatchObject([
    { kind: "deleted", key: "mine.zip", pruned: false },
    { kind: "deleted", key: auto(2), pruned: false },
  ]);
});

it("takes a lowered cronMaxKeep for pruning, not for another store", () => {
  const auto = (hour: number): Files => ({
    [`@auto_pb_backup_${10 + hour}.zip`]: { modified: START + hour * 3_600_000 },
  });
  const many = Object.assign({}, ...Array.from({ length: 10 }, (_, hour) => auto(hour)));
  const at = START + 86_400_000;
  const watcher = watching(many);
  watcher.look(many, at);
  const few = { ...auto(8), ...auto(9), ...auto(10) };
  watcher.look(few, at + 120_000);
  watcher.look(few, at + 126_000);
  expect(told(watcher.facts)).toEqual([
    "created @auto_pb_backup_20.zip",
    ...Array.from({ length: 8 }, (_, hour) => `deleted @auto_pb_backup_${10 + hour}.zip`),
  ]);
});

it("tells another store behind the instance as one fact with counts", () => {
  const before = Object.fromEntries(["a", "b", "c", "d", "e"].map((name) => [`${name}.zip`, {}]));
  const after = { "e.zip": {}, "x.zip": {}, "y.zip": {} };
  const watcher = watching(before);
  expect(watcher.look(after, START + 60_000), "nothing while it is not clear").toEqual([]);
  expect(watcher.last!.lookAgain).toBe(true);
  expect(watcher.look(after, START + 66_000)).toEqual([
    { kind: "store_changed", before: 5, after: 3, gone: 4, kept: 1, added: 2 },
  ]);
  expect(watcher.look(after, START + 68_000)).toEqual([]);
  expect([...watcher.tracked.keys()].sort()).toEqual(["e.zip", "x.zip", "y.zip"]);
});

it("holds news back while most files are missing, and tells it when they are back", () => {
  const before = Object.fromEntries(["a", "b", "c", "d"].map((name) => [`${name}.zip`, {}]));
  const watcher = watching(before);
  expect(watcher.look({}, START + 60_000), "a list that came back empty").toEqual([]);
  expect(watcher.look({ "new.zip": {} }, START + 62_000)).toEqual([]);
  expect(told(watcher.look({ ...before, "new.zip": {} }, START + 64_000))).toEqual(["created new.zip"]);
  expect(watcher.look({ ...before, "new.zip": {} }, START + 80_000)).toEqual([]);
});

it("takes only backups for backups", () => {
  for (const key of [
    "a.zip",
    "My Backup (1).ZIP",
    "test",
    "@auto_pb_backup_x.zip",
    "q%22b.zip",
    "dir\\sub.zip",
    "é.zip",
  ])
    expect(isBackupKey(key), key).toBe(true);
  for (const key of ["", "/", "a/b.zip", "a.zip.18ea85040c3adb89.tmp", "a.TMP", "a.zip.attrs", ".relay_restore"])
    expect(isBackupKey(key), key).toBe(false);
  const watcher = watching({});
  expect(watcher.look({ "a.zip.1.tmp": {}, "col/rec/file.png": {}, ".relay_restore": {} }, START + 60_000)).toEqual([]);
  expect(watcher.tracked.size).toBe(0);
});

it("compares a new backup with the ten before it", () => {
  expect([median([]), median([3]), median([1, 4]), median([9, 1, 5])]).toEqual([null, 3, 3, 5]);
  const day = 86_400_000;
  const listed = Array.from({ length: 12 }, (_, place) => ({
    key: `${place}.zip`,
    size: place === 11 ? 50 : 100 + place,
    modified: START + place * day,
  }));
  const stats = statsOf([...listed].reverse());
  expect(stats(listed[11]!)).toEqual({
    count: 12,
    totalSize: listed.reduce((sum, { size }) => sum + size, 0),
    medianSize: 106,
    sizeRatio: 0.47,
    previousAgeSeconds: 86_400,
  });
  expect(stats(listed[0]!)).toMatchObject({ medianSize: null, sizeRatio: null, previousAgeSeconds: null });
  expect(stats({ key: "gone.zip", size: 200, modified: START + 1.5 * day })).toMatchObject({ medianSize: 101 });
  expect(stats({ key: "undated.zip", size: 1, modified: null })).toMatchObject({ medianSize: null, count: 12 });
});

/** A store whose lists may show, key by key, a state of up to `LAG` ms ago, as weakly consistent object stores do. */
const LAG = CONFIRM_MS - 100;
const step = fc.record({
  act: fc.constantFrom("nothing", "write", "write", "delete"),
  which: fc.nat(3),
  size: fc.integer({ min: 1, max: 3 }),
  wait: fc.oneof(fc.integer({ min: 1, max: 900 }), fc.integer({ min: 1, max: 20_000 })),
  looks: fc.array(
    fc.record({
      lags: fc.array(fc.integer({ min: 0, max: LAG }), { minLength: 4, maxLength: 4 }),
      tmp: fc.boolean(),
      repeated: fc.integer({ min: 1, max: 3 }),
      after: fc.integer({ min: 0, max: 3_000 }),
    }),
    { maxLength: 3 },
  ),
});

class Store {
  readonly history: { at: number; version: FileVersion | null }[][] = [[], [], [], []];

  set(which: number, at: number, version: FileVersion | null) {
    this.history[which]!.push({ at, version });
  }

  state(which: number, at: number): { since: number; version: FileVersion | null } {
    const found = this.history[which]!.findLast((entry) => entry.at <= at);
    return { since: found?.at ?? 0, version: found?.version ?? null };
  }
}

it("yields each fact exactly once from any sequence of lists, however late and however often seen", () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: -7_200_000, max: 7_200_000 }),
      (steps, skew) => {
        const store = new Store();
        const steady: Files = Object.fromEntries(Array.from({ length: 9 }, (_, place) => [`steady${place}.zip`, {}]));
        const watcher = watching(steady);
        const said = new Map<string, FileVersion>();
        const announced = new Set<string>();
        const looks: number[] = [];
        let now = START + 1;

        const look = (lags: number[], tmp: boolean) => {
          const files: Files = { ...steady };
          lags.forEach((lag, which) => {
            const { version } = store.state(which, now - lag);
            if (version) files[`${which}.zip`] = { size: version.size, modified: version.modified! };
            else if (tmp) files[`${which}.zip.18ea85040c3adb89.tmp`] = { size: now };
          });
          for (const fact of watcher.look(files, now, now + skew)) {
            expect(fact.kind).not.toBe("store_changed");
            if (!("version" in fact)) continue;
            expect(said.get(fact.key) ?? null, "each fact follows from the one before").toEqual(
              fact.kind === "created" ? null : fact.kind === "changed" ? fact.previous : fact.version,
            );
            if (fact.kind === "deleted") said.delete(fact.key);
            else said.set(fact.key, fact.version);
            const identity = `${fact.kind === "deleted"} ${fact.key} ${fact.version.modified}`;
            expect(announced.has(identity), `${identity} twice`).toBe(false);
            announced.add(identity);
            const real = store.history[Number.parseInt(fact.key, 10)]!.some(
              ({ version }) => version?.modified === fact.version.modified && version.size === fact.version.size,
            );
            expect(real, "only what was there").toBe(true);
          }
          looks.push(now);
          for (const which of [0, 1, 2, 3]) {
            const { since, version } = store.state(which, now);
            const clear = looks.filter((at) => at >= since + LAG);
            if (clear.length >= 2 && clear.at(-1)! - clear[0]! >= CONFIRM_MS)
              expect(said.get(`${which}.zip`) ?? null, "told by then").toEqual(version);
          }
        };

        for (const { act, which, size, wait, looks: seen } of steps) {
          now += wait;
          if (act === "write") store.set(which, now, { size, modified: now + skew });
          if (act === "delete") store.set(which, now, null);
          for (const { lags, tmp, repeated, after } of seen) {
            now += after;
            for (let time = 0; time < repeated; time++) look(lags, tmp);
          }
        }
        for (const wait of [LAG, CONFIRM_MS, CONFIRM_MS]) {
          now += wait;
          look([0, 0, 0, 0], false);
        }
        expect(watcher.last!.lookAgain, "nothing is left open").toBe(false);
        now += STALE_LIST_MS;
        look([0, 0, 0, 0], false);
        look([0, 0, 0, 0], false);
        expect(watcher.last, "an idle look changes no row").toEqual({
          facts: [],
          upserts: [],
          removed: [],
          lookAgain: false,
        });
      },
    ),
    { numRuns: 300 },
  );
});

it("tells two entries of one key once, and nothing else of that key until one is left", () => {
  const watcher = watching({});
  const at = START + 60_000;
  const modified = Date.parse("2026-11-22T09:00:00.000Z");
  expect(told(watcher.take([listedAs("a.zip", 1)], at))).toEqual(["created a.zip"]);
  expect(watcher.take([listedAs("a.zip", 2), listedAs("a.zip", 1)], at + 10_000)).toEqual([
    {
      kind: "ambiguous",
      key: "a.zip",
      versions: [
        { size: 2, modified },
        { size: 1, modified },
      ],
    },
  ]);
  expect(watcher.take([listedAs("a.zip", 1), listedAs("a.zip", 2)], at + 20_000)).toEqual([]);
  expect(watcher.take([listedAs("a.zip", 1)], at + 30_000), "the genuine one stays").toEqual([]);
  expect(told(watcher.take([listedAs("a.zip", 1), listedAs("a.zip", 2)], at + 40_000))).toEqual(["ambiguous a.zip"]);
  expect(told(watcher.take([listedAs("a.zip", 2)], at + 50_000)), "the genuine one went").toEqual(["changed a.zip"]);
  expect(watcher.tracked.get("a.zip")).not.toHaveProperty("ambiguous");
});
