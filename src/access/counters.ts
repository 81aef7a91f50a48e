import { type Problem, problem } from "../base/problem.ts";
import { brakeBucket } from "./network.ts";

/** Denied requests of one key in a minute that are answered with their reason; the others get 429 (SECURITY 5). */
export const DENIED_PER_MINUTE = 60;
/** Failures without a valid credential from one address before 429 (SECURITY 5). */
const ANONYMOUS_PER_MINUTE = 60;

/** As `RateLimit` headers want it (draft-ietf-httpapi-ratelimit-headers): r, t and the policy's q. */
export type RateState = {
  limit: number;
  remaining: number;
  /** Until the whole limit is back. */
  resetSeconds: number;
  /** Until one more request is admitted; 0 while some remain. */
  retryAfterSeconds: number;
};

/** 60 whole seconds and the one under way, so that no 60 s hold more than the limit; a count leaves after these seconds. */
export const WINDOW_SECONDS = 61;

/** A clock that is set back by less may be set forward again. */
const STANDS_STILL_SECONDS = 7_200;

type MinuteWindow = { second: number; slots: Uint32Array };

/**
 * Counts per id over a sliding minute, in one-second slots. Memory is bounded: of more than `capacity` ids the one
 * counted longest ago is forgotten (and with it at most a minute of its counts). A clock that goes back by up to two hours counts as standing still.
 */
export class MinuteCounter {
  readonly #windows = new Map<string, MinuteWindow>();
  readonly #capacity: number;

  constructor(capacity = 10_000) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#windows.size;
  }

  /** Looks without counting. The limit is at least 1. */
  peek(id: string, limit: number, at: number): RateState {
    const now = Math.floor(at / 1000);
    const window = this.#known(id, now);
    const state = { limit, remaining: limit, resetSeconds: 0, retryAfterSeconds: 0 };
    if (!window) return state;
    const current = Math.max(now, window.second);
    const untilGone = (second: number) => Math.max(1, Math.ceil(((second + WINDOW_SECONDS) * 1000 - at) / 1000));
    let later = 0;
    for (
      let second = window.second;
      second > current - WINDOW_SECONDS && second > window.second - WINDOW_SECONDS;
      second--
    ) {
      const count = window.slots[second % WINDOW_SECONDS]!;
      if (count === 0) continue;
      if (later === 0) state.resetSeconds = untilGone(second);
      if (later < limit && later + count >= limit) state.retryAfterSeconds = untilGone(second);
      later += count;
    }
    state.remaining = Math.max(0, limit - later);
    return state;
  }

  /** Counts one. */
  take(id: string, at: number): void {
    const now = Math.floor(at / 1000);
    const window = this.#known(id, now) ?? { second: now, slots: new Uint32Array(WINDOW_SECONDS) };
    if (now - window.second >= WINDOW_SECONDS) window.slots.fill(0);
    else for (let second = window.second + 1; second <= now; second++) window.slots[second % WINDOW_SECONDS] = 0;
    window.second = Math.max(window.second, now);
    window.slots[window.second % WINDOW_SECONDS]!++;
    this.#windows.delete(id);
    this.#windows.set(id, window);
    if (this.#windows.size > this.#capacity) this.#windows.delete(this.#windows.keys().next().value!);
  }

  /** What was counted by a clock that ran further ahead than that is forgotten. */
  #known(id: string, now: number): MinuteWindow | undefined {
    const window = this.#windows.get(id);
    return window && window.second - now < STANDS_STILL_SECONDS ? window : undefined;
  }
}

/**
 * Slows whoever guesses credentials: per IPv4 address or IPv6 /64 and what was guessed at (`subject`, empty for nothing
 * known), in memory only.
 */
export class AnonymousBrake {
  /** Spares parsing addresses while nobody has failed within the window. */
  #lastFailure = Number.NEGATIVE_INFINITY;
  readonly #counter: MinuteCounter;

  constructor(capacity?: number) {
    this.#counter = new MinuteCounter(capacity);
  }

  /** `rate_limited` when the address has failed too often in the last minute. Only a failure may be answered with it. */
  refusal(address: string | null, at: number, subject = ""): Problem | null {
    if (at - this.#lastFailure > WINDOW_SECONDS * 1000) return null;
    const { remaining, retryAfterSeconds } = this.#counter.peek(bucketOf(address, subject), ANONYMOUS_PER_MINUTE, at);
    return remaining > 0 ? null : problem("rate_limited", { retryAfterSeconds });
  }

  failed(address: string | null, at: number, subject = ""): void {
    this.#lastFailure = at;
    this.#counter.take(bucketOf(address, subject), at);
  }
}

export const bucketOf = (address: string | null, subject: string): string => `${brakeBucket(address)} ${subject}`;

/** The UTC day a quota counts in, `YYYY-MM-DD`. */
export const quotaDay = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** Until the next 00:00 UTC. */
export const secondsToNextDay = (at: number): number => Math.ceil((86_400_000 - (at % 86_400_000)) / 1000);
