import type { Random } from "../base/random.ts";
import type { Sleep } from "../base/sleep.ts";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

export type Patience = {
  /** Waits before the next try; false when there is none left, or nobody to try for. */
  another(): Promise<boolean>;
  /** What was tried got somewhere: all tries are there again. */
  renew(): void;
};

/**
 * `tries` further tries: the first at once, since a cut is most often a time limit and no trouble, the others after
 * 250 ms doubling to 10 s, each halved at most by chance so that many waiters do not return together.
 */
export function patience(tries: number, sleep: Sleep, random: Random, gone: AbortSignal): Patience {
  let failures = 0;
  return {
    async another() {
      if (gone.aborted || failures >= tries) return false;
      const wait = Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS);
      if (failures++ > 0) await sleep(wait * (0.5 + random(1)[0]! / 512), gone);
      return !gone.aborted;
    },
    renew() {
      failures = 0;
    },
  };
}
