import fc from "fast-check";
import { expect, it } from "vitest";
import type { Random } from "../../src/base/random.ts";
import { readHttpDate } from "../../src/http/date.ts";
import {
  afterAttempt,
  believableHealth,
  type Consequences,
  type EndpointHealth,
  FAILING_MS,
  type FinishedAttempt,
  HEALTHY,
  LADDER_MS,
  mostInFlight,
  type ReceiverAnswer,
} from "../../src/webhooks/retry.ts";
import { LONGEST_WAIT_MS, readBodyRetryAfter, readRetryAfter } from "../../src/webhooks/retry-after.ts";

const AT = Date.parse("2026-11-23T12:00:00.000Z");
const DAY = 86_400_000;
const fill =
  (byte: number): Random =>
  (bytes) =>
    new Uint8Array(bytes).fill(byte);
const answer = (status: number | null, more: Partial<ReceiverAnswer> = {}): ReceiverAnswer => ({
  status,
  retryAfterMs: 0,
  control: null,
  ...more,
});
const attempt = (attempts: number, health: Partial<EndpointHealth> = {}, startedAt = AT - 100): FinishedAttempt => ({
  attempts,
  startedAt,
  health: { ...HEALTHY, ...health },
});
const after = (attempts: number, ended: ReceiverAnswer, health: Partial<EndpointHealth> = {}, byte = 0) =>
  afterAttempt(attempt(attempts, health), ended, AT, fill(byte));
const retryAt = (next: Consequences) => (next.delivery.state === "retry" ? next.delivery.at : null);

it("climbs the ladder of ten attempts over more than 75 hours and then gives up", () => {
  let at = AT;
  const pauses: number[] = [];
  for (let attempts = 1; attempts < 10; attempts++) {
    const retry = retryAt(afterAttempt(attempt(attempts), answer(500), at, fill(0)))!;
    pauses.push((retry - at) / 1000);
    at = retry;
  }
  expect(pauses).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
  expect(at - AT).toBe(((75 * 60 + 35) * 60 + 5) * 1000);
  expect(after(10, answer(500)).delivery).toEqual({ state: "failed", why: "exhausted" });
});

it("adds jitter and never takes any away; the first retry comes after 5 s sharp", () => {
  expect(retryAt(after(1, answer(500), {}, 255))).toBe(AT + 5_000);
  for (let attempts = 2; attempts < 10; attempts++) {
    const step = LADDER_MS[attempts]!;
    const late = retryAt(after(attempts, answer(500), {}, 255))! - AT;
    expect(late).toBeGreaterThan(step * 1.005);
    expect(late).toBeLessThanOrEqual(step + Math.min(step / 10, 900_000));
  }
});

it("takes 2xx for success and nothing else", () => {
  for (const status of [200, 201, 202, 204, 299]) {
    expect(after(3, answer(status), { failingSince: 1, slowStreak: 4, slowUntil: AT + 9 })).toEqual({
      delivery: { state: "delivered" },
      health: HEALTHY,
      disable: null,
    });
  }
  for (const status of [null, 100, 199, 300, 301, 304, 400, 401, 404, 422, 500, 599, 999])
    expect(after(1, answer(status)).delivery.state, String(status)).toBe("retry");
});

it("is disabled by 410 and by the receiver's header, and waits with what is left", () => {
  const gone = after(1, answer(410));
  expect(gone).toMatchObject({ disable: "gone", delivery: { state: "retry" } });
  expect(after(1, answer(500, { control: " Disable " })).disable).toBe("receiver");
  expect(after(1, answer(200, { control: "disable" }))).toMatchObject({
    disable: "receiver",
    delivery: { state: "delivered" },
  });
  expect(after(1, answer(500, { control: "abort-message" }))).toMatchObject({
    disable: null,
    delivery: { state: "failed", why: "refused" },
  });
  expect(after(1, answer(500, { control: "enable" })).disable).toBeNull();
});

it("is disabled by five days of nothing but failure, and by nothing shorter", () => {
  expect(after(2, answer(null)).health.failingSince).toBe(AT);
  expect(after(2, answer(500), { failingSince: AT - FAILING_MS + 1 }).disable).toBeNull();
  expect(after(2, answer(500), { failingSince: AT - FAILING_MS }).disable).toBe("failing");
  expect(after(2, answer(204), { failingSince: AT - 9 * DAY }).disable).toBeNull();
});

it("slows the whole endpoint when the receiver is overloaded, and only then", () => {
  for (const status of [429, 502, 503, 504]) {
    const { health } = after(1, answer(status));
    expect(health).toMatchObject({ slowStreak: 1, slowedAt: AT, slowUntil: AT + 5_000 });
    expect(mostInFlight(health, 6)).toBe(1);
  }
  for (const status of [null, 500, 501, 404, 302]) expect(after(1, answer(status)).health.slowStreak).toBe(0);
  expect(mostInFlight(HEALTHY, 6)).toBe(6);
  const pauses = [];
  let health = HEALTHY;
  for (let streak = 0, at = AT; streak < 9; streak++, at = health.slowUntil) {
    health = afterAttempt({ attempts: 1, startedAt: at, health }, answer(503), at, fill(0)).health;
    pauses.push((health.slowUntil - at) / 1000);
  }
  expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  const since = (startedAt: number) =>
    afterAttempt({ attempts: 1, startedAt, health }, answer(200), health.slowUntil, fill(0)).health;
  expect(since(health.slowUntil)).toEqual(HEALTHY);
  // A success that was under way when the receiver said that it is overloaded says nothing of what came after.
  expect(since(health.slowedAt - 1)).toEqual({ ...health, failingSince: null });
});

it("counts requests that were in flight together as one sign of overload", () => {
  let health = HEALTHY;
  for (let which = 0; which < 6; which++)
    health = afterAttempt({ attempts: 1, startedAt: AT - 50, health }, answer(429), AT + which, fill(0)).health;
  expect(health).toMatchObject({ slowStreak: 1, slowedAt: AT, slowUntil: AT + 5_005 });
});

it("honours Retry-After for the delivery, and for the endpoint when it is overloaded", () => {
  const hour = { retryAfterMs: 3_600_000 };
  expect(retryAt(after(1, answer(500, hour)))).toBe(AT + 3_600_000);
  expect(after(1, answer(500, hour)).health.slowUntil).toBe(0);
  expect(after(1, answer(429, hour)).health.slowUntil).toBe(AT + 3_600_000);
  expect(retryAt(after(5, answer(429, hour))), "never earlier than the ladder").toBe(AT + 18_000_000);
  expect(after(10, answer(429, hour)).delivery, "it adds no attempt").toEqual({ state: "failed", why: "exhausted" });
});

const second = 1_000;
const headers: [value: string, ms: number][] = [
  ["0", 0],
  ["1", second],
  ["120", 120 * second],
  ["  120  ", 120 * second],
  ["0120", 120 * second],
  ["1.5", 1_500],
  ["0.0001", 1],
  ["86400", DAY],
  ["86401", DAY],
  ["99999999999999999999999", DAY],
  ["9".repeat(400), DAY],
  ["120, 240", 240 * second],
  ["120,120", 120 * second],
  ["Mon, 23 Nov 2026 12:05:00 GMT", 300 * second],
  ["Monday, 23-Nov-26 12:05:00 GMT", 300 * second],
  ["Mon Nov 23 12:05:00 2026", 300 * second],
  ["Sun Dec  6 12:00:00 2026", DAY],
  ["Tue, 24 Nov 2026 11:59:59 GMT", DAY - second],
  ["Fri, 31 Dec 9999 23:59:59 GMT", DAY],
  ["Sunday, 06-Nov-94 08:49:37 GMT", 0],
  ["Mon, 23 Nov 2026 11:59:59 GMT", 0],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ["Mon, 23 Nov 2026 12:00:60 GMT", 59 * second],
  ["", 0],
  [" ", 0],
  ["-1", 0],
  ["-86400", 0],
  ["+5", 0],
  ["1e3", 0],
  ["0x10", 0],
  ["NaN", 0],
  ["Infinity", 0],
  ["1.", 0],
  ["120,", 0],
  ["120;q=1", 0],
  ["soon", 0],
  ["5 minutes", 0],
  ["2026-11-23T12:05:00Z", 0],
  ["Mon, 23 Nov 2026 12:05:00 PST", 0],
  ["Mon, 23 Nov 2026 12:05:00 +0000", 0],
  ["Mon, 31 Feb 2027 12:05:00 GMT", 0],
  ["Mon, 23 Nov 2026 25:05:00 GMT", 0],
  ["Mon, 23 nov 2026 12:05:00 GMT", 0],
  ["Mon, 23 Nov 2026 12:05:00 GMT, 120", 0],
  ["١٢٠", 0],
];

it("reads Retry-After in every legal form, caps it at a day, and reads nothing out of the rest", () => {
  for (const [value, ms] of headers) expect([value, readRetryAfter(value, AT)]).toEqual([value, ms]);
  expect(readRetryAfter(null, AT)).toBe(0);
});

it("measures a date by the receiver's own clock when it shows one", () => {
  const wrong = "Mon, 23 Nov 2026 15:00:00 GMT";
  expect(readRetryAfter("Mon, 23 Nov 2026 15:05:00 GMT", AT, wrong)).toBe(300 * second);
  expect(readRetryAfter("Mon, 23 Nov 2026 12:05:00 GMT", AT, wrong)).toBe(0);
  expect(readRetryAfter("Mon, 23 Nov 2026 12:05:00 GMT", AT, "nonsense")).toBe(300 * second);
  expect(readHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", AT)).toBe(784_111_777_000);
});

it("reads what chat platforms put into the body instead", () => {
  expect(readBodyRetryAfter('{"message":"You are being rate limited.","retry_after":64.57,"global":false}', AT)).toBe(
    64_570,
  );
  expect(readBodyRetryAfter('{"ok":false,"error_code":429,"parameters":{"retry_after": 31}}', AT)).toBe(31_000);
  expect(readBodyRetryAfter('{"retry_after":1e99}', AT), "only plain digits").toBe(1_000);
  expect(readBodyRetryAfter('{"retry_after":-5}', AT)).toBe(0);
  expect(readBodyRetryAfter("not json", AT)).toBe(0);
});

it("never retries early, never waits longer than a day beyond its time, and always ends", () => {
  const outcomes = fc.record({
    status: fc.oneof(
      fc.constant(null),
      fc.constantFrom(429, 502, 503, 504, 500, 301, 404),
      fc.integer({ min: 100, max: 599 }),
    ),
    retryAfterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 * LONGEST_WAIT_MS })),
    control: fc.constantFrom(null, "abort-message", "disable", "x"),
  });
  const noise = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(fc.array(fc.tuple(outcomes, noise, fc.nat(60_000)), { minLength: 12, maxLength: 12 }), (ends) => {
      let health = HEALTHY;
      let at = AT;
      let ended = false;
      for (let attempts = 1; !ended; attempts++) {
        expect(attempts).toBeLessThanOrEqual(10);
        const [result, byte, took] = ends[attempts - 1]!;
        const startedAt = at;
        at += took;
        const next = afterAttempt({ attempts, startedAt, health }, result, at, fill(byte));
        expect(next.health.slowUntil - at).toBeLessThanOrEqual(LONGEST_WAIT_MS);
        if (next.delivery.state === "retry") {
          const step = LADDER_MS[attempts]!;
          expect(next.delivery.at).toBeGreaterThanOrEqual(
            at + Math.max(step, Math.min(result.retryAfterMs, LONGEST_WAIT_MS)),
          );
          expect(next.delivery.at).toBeGreaterThanOrEqual(next.health.slowUntil);
          expect(next.delivery.at - at).toBeLessThanOrEqual(LONGEST_WAIT_MS + 900_000);
          expect(next.health.failingSince).not.toBeNull();
          at = next.delivery.at;
        } else ended = true;
        if (next.delivery.state === "delivered") expect(next.health).toEqual(HEALTHY);
        health = next.health;
      }
    }),
    { numRuns: 300 },
  );
});

it("can only be put off by what the receiver says", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.string({ unit: "binary" }),
      fc.integer({ min: 0, max: 255 }),
      (attempts, value, byte) => {
        const wait = readRetryAfter(value, AT);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(LONGEST_WAIT_MS);
        const plain = retryAt(after(attempts, answer(500), {}, byte))!;
        expect(retryAt(after(attempts, answer(500, { retryAfterMs: wait }), {}, byte))).toBeGreaterThanOrEqual(plain);
      },
    ),
  );
});

it("forgets what a clock that ran ahead has written of the receiver, and nothing else", () => {
  const ahead = AT + 365 * DAY;
  const slowed: EndpointHealth = { failingSince: AT - DAY, slowStreak: 3, slowedAt: ahead, slowUntil: ahead + 1_000 };
  expect(believableHealth(slowed, AT)).toEqual({ ...HEALTHY, failingSince: AT - DAY });
  expect(believableHealth({ ...HEALTHY, failingSince: ahead }, AT)).toEqual(HEALTHY);
  const sound = { failingSince: AT - DAY, slowStreak: 1, slowedAt: AT - 100, slowUntil: AT + DAY };
  expect(believableHealth(sound, AT)).toBe(sound);
});
