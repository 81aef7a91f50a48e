import { problem } from "../base/problem.ts";
import { fail } from "../base/result.ts";
import type { UpstreamResult } from "./backups-api.ts";

/**
 * How many calls may be in flight to one server. A Worker may have six connections that wait for headers, and a create can
 * hold one for minutes. The reserved slot serves calls that fetch a token, so that downloads can start while slow calls
 * hold the others.
 */
export const slots = { total: 4, reserved: 1 } as const;

/**
 * How long a call waits for a slot, in ms, and how many may wait. Enough for ten SDK calls at once on a server that
 * answers; behind one that does not, callers get their refusal soon.
 */
export const queue = { waitMs: 5_000, capacity: 100 } as const;

/** `token`: the call fetches a token and may use the reserved slot. */
type CallKind = "call" | "token";
type Waiting = { kind: CallKind; start: () => void };

type CallSlots = {
  /**
   * Runs the call in a free slot, in the order of asking. `upstream_saturated` when none becomes free within `waitMs`, or
   * when the queue is full.
   */
  run<T>(kind: CallKind, call: () => Promise<UpstreamResult<T>>): Promise<UpstreamResult<T>>;
};

/** The slots of one server. They live in memory, as the calls they count do. */
export function callSlots(waitMs: number = queue.waitMs): CallSlots {
  let inFlight = 0;
  const waiting: Waiting[] = [];
  const isFree = (kind: CallKind): boolean =>
    inFlight < (kind === "token" ? slots.total : slots.total - slots.reserved);

  async function acquire(kind: CallKind): Promise<boolean> {
    if (isFree(kind) && !waiting.some((each) => each.kind === kind)) {
      inFlight += 1;
      return true;
    }
    if (waiting.length >= queue.capacity) return false;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(own), 1);
        resolve(false);
      }, waitMs);
      const own: Waiting = {
        kind,
        start() {
          clearTimeout(timer);
          inFlight += 1;
          resolve(true);
        },
      };
      waiting.push(own);
    });
  }

  function release(): void {
    inFlight -= 1;
    const next = waiting.findIndex(({ kind }) => isFree(kind));
    if (next >= 0) waiting.splice(next, 1)[0]!.start();
  }

  return {
    async run(kind, call) {
      if (!(await acquire(kind))) {
        const full = problem("upstream_saturated", { retryAfterSeconds: 2 });
        return fail({ problem: full, unclear: false, unauthorized: false });
      }
      try {
        return await call();
      } finally {
        release();
      }
    },
  };
}
