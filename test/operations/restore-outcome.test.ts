import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { recoverySteps } from "../../src/operations/recovery-steps.ts";
import {
  BACK_MS,
  downtime,
  type Probe,
  restoreOutcome,
  SETTLED_MS,
  type Watched,
} from "../../src/operations/restore-outcome.ts";
import { wayBack } from "../../src/operations/way-back.ts";

const T0 = 1_000_000;
const watched: Watched = { sentAt: T0, tokenWouldLive: true };
const quiet: Omit<Probe, "at"> = {
  server: "superuser",
  idle: true,
  canary: null,
  contended: false,
  logRow: null,
  failure: null,
};
const down: Partial<Probe> = { server: "down", idle: null };
const guest: Partial<Probe> = { server: "guest", idle: null };

const cause = (code: string) => ({ code, message: "", hint: "" });
/** One look per entry: seconds after the request, and what differs from a quiet, idle server. */
const looks = (...seen: [seconds: number, Partial<Probe>][]): Probe[] =>
  seen.map(([seconds, changes]) => ({ ...quiet, at: T0 + seconds * 1000, ...changes }));

function verdict(probes: Probe[], changes: Partial<Watched> = {}) {
  return restoreOutcome({ ...watched, ...changes }, probes, probes.at(-1)?.at ?? T0);
}

describe("a restore has succeeded", () => {
  it("when the canary is gone while the server takes us for a superuser", () => {
    expect(verdict(looks([5, { canary: false }]))).toEqual({ state: "succeeded", evidence: "canary" });
    expect(verdict(looks([0.5, { canary: true }], [2, down], [3, { canary: false }]))).toMatchObject({
      state: "succeeded",
    });
  });

  it("when the planted log row is gone and there is no canary", () => {
    expect(verdict(looks([5, { logRow: false }]))).toEqual({ state: "succeeded", evidence: "log_row" });
  });

  it("when every credential that lived before is refused, twice", () => {
    expect(verdict(looks([5, guest], [7, guest]))).toEqual({ state: "succeeded", evidence: "dead_token" });
  });

  it("even if the log tells of a failure of another try", () => {
    expect(verdict(looks([6, { canary: false, failure: cause("busy") }]))).toMatchObject({ state: "succeeded" });
  });
});

describe("a restore beside another relay's", () => {
  it("is unknown when its canary is gone: the other one may have taken it away", () => {
    const other = looks([1, { canary: true, contended: true }], [2, { canary: false }]);
    expect(verdict(other)).toEqual({ state: "unknown", because: "contended" });
    const dead = looks([1, { canary: true, contended: true }], [6, guest], [8, guest]);
    expect(verdict(dead)).toEqual({ state: "unknown", because: "contended" });
  });

  it("has failed all the same when its canary stays", () => {
    const stays = looks([5, { canary: true, contended: true }], [7, { canary: true }]);
    expect(verdict(stays)).toMatchObject({ state: "failed", evidence: "canary" });
  });
});

describe("a restore has failed", () => {
  it("when the canary is still there on an idle server, twice after 5 s", () => {
    const there = looks([5, { canary: true }], [6, { canary: true }]);
    expect(verdict(there)).toEqual({ state: "failed", evidence: "canary", cause: null });
  });

  it("with the server's reason, when its log had one by then", () => {
    const there = looks([5, { canary: true }], [6, { canary: true, failure: cause("damaged") }]);
    expect(verdict(there)).toEqual({ state: "failed", evidence: "canary", cause: cause("damaged") });
  });

  it("when the planted log row is still there, or the log has a row about it", () => {
    expect(verdict(looks([5, { logRow: true }], [7, { logRow: true }]))).toMatchObject({
      state: "failed",
      evidence: "log_row",
    });
    const told = verdict(looks([4, { failure: cause("not_an_archive") }]));
    expect(told).toEqual({ state: "failed", evidence: "failure_row", cause: cause("not_an_archive") });
  });
});

describe("a restore is watched on", () => {
  it.each<[string, Probe[]]>([
    ["nothing was seen", []],
    [
      "the canary is there in the first seconds, when the server has not begun",
      looks([0.2, { canary: true }], [4.9, { canary: true }]),
    ],
    ["the canary is there but once", looks([5, { canary: true }])],
    [
      "the canary is there while the server is busy",
      looks([5, { canary: true, idle: false }], [60, { canary: true, idle: false }]),
    ],
    ["the server is away", looks([1, down], [300, down])],
    ["the server answers as a proxy does", looks([2, { server: "refused" }], [300, { server: "refused" }])],
    ["it takes us for a guest for the first time", looks([5, guest])],
    ["a guest saw no canary, which a guest never does", looks([5, { ...guest, canary: false }])],
  ])("while %s", (_, probes) => {
    expect(verdict(probes)).toEqual({ state: "watching" });
  });

  it("when the canary vanished before the server can have begun: something else removed it", () => {
    expect(verdict(looks([0.5, { canary: false }], [6, { canary: false }]))).toEqual({ state: "watching" });
  });

  it("when a dead token would have expired by itself", () => {
    expect(verdict(looks([5, guest], [30, guest]), { tokenWouldLive: false })).toEqual({ state: "watching" });
  });

  it("an outage or a busy server alone decides nothing", () => {
    expect(verdict(looks([1, { idle: false }], [2, down], [3, {}], [8, {}]))).toEqual({ state: "watching" });
  });
});

describe("a restore's outcome is unknown", () => {
  it("when the server does not come back", () => {
    const away = looks([1, { canary: true }], [2, down], [2 + BACK_MS / 1000, down]);
    expect(verdict(away)).toEqual({ state: "unknown", because: "not_back" });
  });

  it("when only a proxy answers, or it is busy for longer than a restore may take", () => {
    const refused = looks([2, { server: "refused" }], [602, { server: "refused" }]);
    expect(verdict(refused)).toEqual({ state: "unknown", because: "no_access" });
    const busy = looks([2, { idle: false, canary: true }], [1202, { idle: false, canary: true }]);
    expect(verdict(busy)).toEqual({ state: "unknown", because: "still_busy" });
  });

  it("when it answers for a minute and shows nothing that proves anything", () => {
    expect(verdict(looks([2, {}], [62, {}]))).toEqual({ state: "unknown", because: "no_evidence" });
    const expired = { tokenWouldLive: false };
    expect(verdict(looks([2, guest], [62, guest]), expired)).toEqual({ state: "unknown", because: "no_access" });
  });
});

describe("whatever is seen", () => {
  const probe = fc.record({
    server: fc.constantFrom("down", "refused", "guest", "superuser" as const),
    idle: fc.constantFrom(true, false, null),
    canary: fc.constantFrom(true, false, null),
    logRow: fc.constantFrom(true, false, null),
    failure: fc.constantFrom("damaged", null),
  });
  const history = fc.array(fc.tuple(fc.integer({ min: 100, max: 30_000 }), probe), { maxLength: 30 });
  const probesOf = (steps: [number, unknown][]): Probe[] => {
    let at = T0;
    return steps.map(([pause, seen]) => {
      at += pause;
      return { ...(seen as Omit<Probe, "at">), at };
    });
  };

  it("no success is announced without something gone or dead, and no failure without something there or told", () => {
    fc.assert(
      fc.property(history, (steps) => {
        const probes = probesOf(steps);
        const decided = verdict(probes);
        const superuser = probes.filter(({ server, idle }) => server === "superuser" && idle === true);
        if (decided.state === "succeeded") {
          const gone = superuser.some(({ canary, logRow }) => canary === false || logRow === false);
          expect(gone || probes.some(({ server }) => server === "guest")).toBe(true);
        }
        if (decided.state === "failed" && decided.evidence !== "failure_row") {
          const there = superuser.filter(({ at, canary, logRow }) => at >= T0 + SETTLED_MS && (canary || logRow));
          expect(there.length).toBeGreaterThanOrEqual(2);
        }
      }),
    );
  });

  it("watching ends within an hour", () => {
    fc.assert(
      fc.property(history, probe, (steps, last) => {
        const probes = probesOf(steps);
        const end = { ...(last as Omit<Probe, "at">), at: T0 + 3_600_000 };
        expect(verdict([...probes, end]).state).not.toBe("watching");
      }),
    );
  });
});

describe("the downtime", () => {
  it("is measured between the look that missed the server and the next that did not", () => {
    expect(downtime(looks([1, {}], [2, down], [3, down], [4.5, {}], [6, down]), T0 + 9_000)).toBe(2_500);
    expect(downtime(looks([1, {}], [2, down]), T0 + 60_000)).toBe(58_000);
  });

  it("is null when no look missed it", () => {
    expect(downtime(looks([1, {}], [2, { server: "refused" }]), T0)).toBeNull();
  });
});

describe("the way back", () => {
  it("names what to look at, where the old data lies, the command, and the safety backup", () => {
    const steps = recoverySteps("not_back", "pre_restore_1.zip");
    const text = steps.join("\n");
    expect(steps[0]).toContain("has not come back");
    expect(text).toContain("pb_data/.pb_temp_to_delete/old_pb_data_*");
    expect(steps).toContain(wayBack);
    expect(text).toContain('"pre_restore_1.zip"');
  });

  it("says when there is no safety backup", () => {
    expect(recoverySteps("no_access", null).at(-1)).toContain("There is no safety backup");
  });
});
