import { expect, it, vi } from "vitest";
import { DUTY_RETRY_MS, Duties, type Duty, periodic } from "../../src/storage/duties.ts";

const NEVER = Number.POSITIVE_INFINITY;

it("runs what is due, in the order of the list, and nothing else", () => {
  const ran: string[] = [];
  const at = (name: string, due: number): Duty => ({ name, due: () => due, run: () => ran.push(name) });
  const duties = new Duties([at("late", 11), at("due", 10), at("past", 0), at("never", NEVER)]);
  duties.run(10);
  expect(ran).toEqual(["due", "past"]);
  // Never before now: an alarm in the past would be one at once as well.
  expect(duties.due(10)).toBe(10);
  expect(new Duties([at("late", 11), at("never", NEVER)]).due(10)).toBe(11);
  expect(new Duties([at("never", NEVER)]).due(10)).toBe(NEVER);
});

it.each(["due", "run"] as const)(
  "one whose `%s` throws keeps no other from running, and is tried again later",
  (broken) => {
    const complained = vi.spyOn(console, "error").mockImplementation(() => undefined);
    let fails = true;
    const ran: string[] = [];
    const spoiled: Duty = { name: "spoiled", due: () => 0, run: () => ran.push("spoiled") };
    const { [broken]: whole } = spoiled;
    const duties = new Duties([
      {
        ...spoiled,
        [broken]: (now: number) => {
          if (fails) throw new Error("made to fail");
          return whole(now);
        },
      },
      { name: "other", due: () => 0, run: () => ran.push("other") },
    ]);
    duties.run(1_000);
    duties.run(2_000);
    expect(ran).toEqual(["other", "other"]);
    // Once: what failed is left alone for a while.
    expect(complained).toHaveBeenCalledOnce();
    fails = false;
    duties.run(1_000 + DUTY_RETRY_MS);
    expect(ran).toEqual(["other", "other", "spoiled", "other"]);
    complained.mockRestore();
  },
);

it("a periodic one is due at once, then after its time, and again soon when it failed", () => {
  let fails = false;
  const ran: number[] = [];
  const duty = periodic("round", 60_000, (now) => {
    if (fails) throw new Error("made to fail");
    ran.push(now);
  });
  const duties = new Duties([duty]);
  expect(duties.due(5)).toBe(5);
  duties.run(5);
  expect(duties.due(6)).toBe(60_005);
  duties.run(60_004);
  fails = true;
  const complained = vi.spyOn(console, "error").mockImplementation(() => undefined);
  duties.run(60_005);
  complained.mockRestore();
  expect(duties.due(60_006)).toBe(60_005 + DUTY_RETRY_MS);
  fails = false;
  duties.run(60_005 + DUTY_RETRY_MS);
  expect(ran).toEqual([5, 60_005 + DUTY_RETRY_MS]);
});
