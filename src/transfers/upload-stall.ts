import type { Sleep } from "../base/sleep.ts";

/** A write of which the server takes nothing for so long, in ms, is given up on, at the latest after twice that. */
const STALL_MS = 60_000;

export type Watched = <T>(write: Promise<T>) => Promise<T>;

/** Watches over writes that follow one another, until `over`. One timer for many: one for each would cost as much as the write. */
export function stallWatch(sleep: Sleep, over: AbortSignal, stalled: () => void): Watched {
  let writes = 0;
  let under = false;
  let watching = false;
  const watch = async () => {
    watching = true;
    let before: number;
    do {
      before = writes;
      await sleep(STALL_MS, over);
    } while (under && writes !== before && !over.aborted);
    watching = false;
    if (under && !over.aborted) stalled();
  };
  return (write) => {
    writes++;
    under = true;
    if (!watching && !over.aborted) void watch();
    return write.finally(() => {
      under = false;
    });
  };
}
