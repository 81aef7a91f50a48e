import { pastOrUnknown } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { LONGEST_WAIT_MS } from "./retry-after.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The pause before each attempt: ten attempts over at least 75 h 35 min 5 s (Standard Webhooks' example). */
export const LADDER_MS = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const;

/** No attempt is put off by more. */
export const LONGEST_PAUSE_MS = 25 * HOUR;

/** An endpoint is disabled when every attempt of this long failed. */
export const FAILING_MS = 5 * DAY;

/** Jitter is up to a tenth of the step, at most this, and never negative: no attempt comes before its time. */
const LONGEST_JITTER_MS = 15 * MINUTE;

/** With these a receiver or its proxy says that it is overloaded: all its deliveries wait, not only this one. */
const OVERLOADED = new Set([429, 502, 503, 504]);
const SLOW_FIRST_MS = 5 * SECOND;
const SLOW_MOST_MS = 5 * MINUTE;

/** What an endpoint remembers between attempts. Times are ms since the epoch. */
export type EndpointHealth = {
  /** The first failure since the last success; null when the last attempt succeeded or there was none. */
  failingSince: number | null;
  /** How many times in a row it said that it is overloaded; 0 when it is not. */
  slowStreak: number;
  /** When it last did. Attempts that were in flight by then add nothing. */
  slowedAt: number;
  /** No attempt of any delivery starts before. */
  slowUntil: number;
};

/** Without what a clock that ran ahead has written. */
export function believableHealth(health: EndpointHealth, now: number): EndpointHealth {
  const failingSince = pastOrUnknown(health.failingSince, now);
  if (pastOrUnknown(health.slowedAt, now) === null) return { ...HEALTHY, failingSince };
  return failingSince === health.failingSince ? health : { ...health, failingSince };
}

export const HEALTHY: EndpointHealth = { failingSince: null, slowStreak: 0, slowedAt: 0, slowUntil: 0 };

/** What a receiver answered to one attempt. */
export type ReceiverAnswer = {
  /** The answer's status; null when there was none. */
  status: number | null;
  /** As `readRetryAfter` reads it: ms, 0 when the receiver does not ask for a pause. */
  retryAfterMs: number;
  /** The answer's `webhook-delivery` header. */
  control: string | null;
};

export type FinishedAttempt = {
  /** Attempts of this delivery, this one included: 1 for the first. */
  attempts: number;
  startedAt: number;
  health: EndpointHealth;
};

export type Consequences = {
  delivery:
    | { state: "delivered" }
    | { state: "retry"; at: number }
    /** `exhausted`: no attempt is left; `refused`: the receiver does not want it. Neither is tried again by itself. */
    | { state: "failed"; why: "exhausted" | "refused" };
  health: EndpointHealth;
  /** Why the endpoint is to be disabled now; the delivery then waits for it to be resumed. */
  disable: "gone" | "receiver" | "failing" | null;
};

export const succeeded = (status: number | null): boolean => status !== null && status >= 200 && status < 300;

/**
 * What follows from an attempt that ended at `at`: success is 2xx and nothing else. The next attempt follows the ladder
 * and may be put off by `Retry-After`, never brought forward. 410 and `webhook-delivery: disable` disable the endpoint,
 * `webhook-delivery: abort-message` ends one delivery (as Svix's receivers may).
 */
export function afterAttempt(
  attempt: FinishedAttempt,
  answer: ReceiverAnswer,
  at: number,
  random: Random,
): Consequences {
  const control = answer.control?.trim().toLowerCase();
  if (succeeded(answer.status)) {
    const disable = control === "disable" ? "receiver" : null;
    return { delivery: { state: "delivered" }, health: recovered(attempt), disable };
  }
  const health = failed(attempt, answer, at);
  const retry = whenToRetry(attempt.attempts, answer, health, at, random);
  const delivery: Consequences["delivery"] =
    control === "abort-message"
      ? { state: "failed", why: "refused" }
      : retry === null
        ? { state: "failed", why: "exhausted" }
        : { state: "retry", at: retry };
  return { delivery, health, disable: whyDisable(answer, control, health, at) };
}

function whyDisable(
  answer: ReceiverAnswer,
  control: string | undefined,
  health: EndpointHealth,
  at: number,
): Consequences["disable"] {
  if (answer.status === 410) return "gone";
  if (control === "disable") return "receiver";
  return health.failingSince !== null && at - health.failingSince >= FAILING_MS ? "failing" : null;
}

/** A success ends everything but an overload that was reported after this request had started. */
const recovered = ({ startedAt, health }: FinishedAttempt): EndpointHealth =>
  startedAt < health.slowedAt ? { ...health, failingSince: null } : HEALTHY;

function failed({ startedAt, health }: FinishedAttempt, answer: ReceiverAnswer, at: number): EndpointHealth {
  const failingSince = health.failingSince ?? at;
  if (answer.status === null || !OVERLOADED.has(answer.status)) return { ...health, failingSince };
  const newReport = startedAt >= health.slowedAt;
  const slowStreak = newReport ? health.slowStreak + 1 : Math.max(1, health.slowStreak);
  const pause = Math.min(SLOW_MOST_MS, SLOW_FIRST_MS * 2 ** Math.min(slowStreak - 1, 10));
  const wait = Math.max(pause, Math.min(answer.retryAfterMs, LONGEST_WAIT_MS));
  return {
    failingSince,
    slowStreak,
    slowedAt: newReport ? at : health.slowedAt,
    slowUntil: Math.max(health.slowUntil, at + wait),
  };
}

function whenToRetry(
  attempts: number,
  answer: ReceiverAnswer,
  health: EndpointHealth,
  at: number,
  random: Random,
): number | null {
  const step = LADDER_MS[attempts];
  if (step === undefined) return null;
  const asked = Math.min(Math.max(0, answer.retryAfterMs), LONGEST_WAIT_MS);
  return Math.max(at + step + jitter(step, random), at + asked, health.slowUntil);
}

/** Short steps get none: the first retry is promised within 5 s. */
function jitter(step: number, random: Random): number {
  const most = step < MINUTE ? 0 : Math.min(step / 10, LONGEST_JITTER_MS);
  const [high, low] = random(2) as unknown as [number, number];
  return Math.floor(((high * 256 + low) / 65_536) * most);
}

/** How many requests may be in flight: one while the receiver is overloaded, else `slots`. */
export const mostInFlight = (health: EndpointHealth, slots: number): number => (health.slowStreak > 0 ? 1 : slots);
