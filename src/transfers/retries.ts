import type { Random } from "../base/random.ts";
import type { Sleep } from "../base/sleep.ts";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

export type Retries = {
  /** Waits before the next attempt; false when none is left or the client is gone. */
  next(): Promise<boolean>;
  /** The last attempt made progress: all retries are available again. */
  renew(): void;
};

/**
 * `count` retries: the first at once, because a break is most often a time limit of the server, the others after 250 ms
 * doubling to 10 s. Each wait is shortened by up to a half at random, so that many waiters do not return together.
 */
export function retries(count: number, sleep: Sleep, random: Random, gone: AbortSignal): Retries {
  let used = 0;
  return {
    async next() {
      if (gone.aborted || used >= count) return false;
      const wait = Math.min(FIRST_WAIT_MS * 2 ** (used - 1), LONGEST_WAIT_MS);
      if (used++ > 0) await sleep(wait * (0.5 + random(1)[0]! / 512), gone);
      return !gone.aborted;
    },
    renew() {
      used = 0;
    },
  };
}
