import { problem } from "../base/problem.ts";
import { fail } from "../base/result.ts";
import type { UpstreamResult } from "./backups-api.ts";

/**
 * How many calls may be in flight to one server. A Worker has six connections that wait for headers; a create can hold
 * one for minutes. The reserved slot keeps downloads opening while slow calls hold the others.
 */
export const slots = { total: 4, reserved: 1 } as const;

export type Gate = {
  /** Runs the call, or fails with `upstream_saturated` at once: nothing waits in a queue that nobody sees. */
  pass<T>(kind: "call" | "mint", call: () => Promise<UpstreamResult<T>>): Promise<UpstreamResult<T>>;
};

/** A gate of its own per server. Lives in memory, as the calls it counts do. */
export function gate(): Gate {
  let flying = 0;
  return {
    async pass(kind, call) {
      const open = kind === "mint" ? slots.total : slots.total - slots.reserved;
      if (flying >= open) {
        const full = problem("upstream_saturated", { retryAfterSeconds: 2 });
        return fail({ problem: full, unclear: false, unauthorized: false });
      }
      flying += 1;
      try {
        return await call();
      } finally {
        flying -= 1;
      }
    },
  };
}
