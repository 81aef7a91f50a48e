import type { Clock } from "../../base/clock.ts";
import { NUDGE_SKEW_MS, readNudge } from "../../observing/nudge.ts";

/** More genuine nudges than this in ten minutes are not needed. */
const MAX_NONCES = 1_000;

/**
 * Signed hints from outside that the server has changed. Their nonces are kept in memory alone: one that is sent again
 * after the object was evicted causes a look, at most one per 2 s, and nothing else.
 */
export class Nudges {
  private readonly clock: Clock;
  private readonly nonces = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Whether a nudge is genuine, in time and not seen before. */
  accept(secret: string, body: string, signature: string): boolean {
    const now = this.clock();
    const nonce = readNudge(secret, body, signature, now);
    for (const [seen, at] of this.nonces) if (at < now - 2 * NUDGE_SKEW_MS) this.nonces.delete(seen);
    if (nonce === null || this.nonces.has(nonce) || this.nonces.size >= MAX_NONCES) return false;
    this.nonces.set(nonce, now);
    return true;
  }
}
