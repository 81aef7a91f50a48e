import { problem } from "../base/problem.ts";
import { fail } from "../base/result.ts";
import type { UpstreamResult } from "./backups-api.ts";

/**
 * How many calls may be in flight to one server. A Worker has six connections that wait for headers; a create can hold
 * one for minutes. The reserved slot keeps downloads opening while slow calls hold the others.
 */
export const slots = { total: 4, reserved: 1 } as const;

/**
 * How long a call waits for a slot, in ms, and how many may wait. Enough for ten SDK calls at once on a server that
 * answers; behind one that does not, callers are told soon.
 */
export const line = { waitMs: 5_000, places: 100 } as const;

type Kind = "call" | "mint";
type Waiting = { kind: Kind; admit: () => void };

export type Gate = {
  /** Runs the call when a slot is free, in the order of asking; `upstream_saturated` when none is for `waitMs`, or the line is full. */
  pass<T>(kind: Kind, call: () => Promise<UpstreamResult<T>>): Promise<UpstreamResult<T>>;
};

/** A gate of its own per server. Lives in memory, as the calls it counts do. */
export function gate(waitMs: number = line.waitMs): Gate {
  let flying = 0;
  const waiting: Waiting[] = [];
  const free = (kind: Kind): boolean => flying < (kind === "mint" ? slots.total : slots.total - slots.reserved);

  async function enter(kind: Kind): Promise<boolean> {
    if (free(kind) && !waiting.some((each) => each.kind === kind)) {
      flying += 1;
      return true;
    }
    if (waiting.length >= line.places) return false;
    return new Promise((resolve) => {
      const leave = setTimeout(() => {
        waiting.splice(waiting.indexOf(own), 1);
        resolve(false);
      }, waitMs);
      const own: Waiting = {
        kind,
        admit() {
          clearTimeout(leave);
          flying += 1;
          resolve(true);
        },
      };
      waiting.push(own);
    });
  }

  function leave(): void {
    flying -= 1;
    const next = waiting.findIndex(({ kind }) => free(kind));
    if (next >= 0) waiting.splice(next, 1)[0]!.admit();
  }

  return {
    async pass(kind, call) {
      if (!(await enter(kind))) {
        const full = problem("upstream_saturated", { retryAfterSeconds: 2 });
        return fail({ problem: full, unclear: false, unauthorized: false });
      }
      try {
        return await call();
      } finally {
        leave();
      }
    },
  };
}
