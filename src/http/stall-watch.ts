import type { Sleep } from "../base/sleep.ts";

/** A read or write that takes this long, in ms, counts as stalled; it is noticed at the latest after twice that. */
const STALL_MS = 60_000;

/** `begin` and `end` are called around every read or write of one stream, one after another. */
type StallWatch = { begin(): void; end(): void };

/**
 * Calls `stalled` when one read or write takes too long, until `over`. One timer serves many of them, because a timer for
 * each would cost as much as the read or write itself.
 */
export function stallWatch(sleep: Sleep, over: AbortSignal, stalled: () => void): StallWatch {
  let begun = 0;
  let pending = false;
  let watching = false;
  const watch = async () => {
    watching = true;
    let before: number;
    do {
      before = begun;
      await sleep(STALL_MS, over);
    } while (pending && begun !== before && !over.aborted);
    watching = false;
    if (pending && !over.aborted) stalled();
  };
  return {
    begin() {
      begun++;
      pending = true;
      if (!watching && !over.aborted) void watch();
    },
    end() {
      pending = false;
    },
  };
}
