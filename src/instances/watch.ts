import type { Clock } from "../base/clock.ts";
import { NUDGE_SKEW_MS, readNudge } from "../observing/nudge.ts";
import type { Configuration } from "./configuration.ts";
import type { Expiries } from "./expiries.ts";
import type { KeyStore } from "./key-store.ts";
import { FLUSH_MS } from "./key-store.ts";
import type { Observer } from "./observer.ts";
import type { Operations } from "./operations.ts";
import type { Server } from "./server.ts";
import type { Verdicts } from "./verdicts.ts";
import type { Verifier } from "./verifier.ts";

/** How often the server is looked at while an operation runs, or just after a nudge. */
export const BUSY_LOOK_MS = 2_000;

type Deps = {
  configuration: Configuration;
  server: Server;
  operations: Operations;
  observer: Observer;
  verdicts: Verdicts;
  verifier: Verifier;
  expiries: Expiries;
  keys: KeyStore;
  clock: Clock;
  detach: (work: Promise<unknown>) => void;
};

/** More genuine nudges than this in ten minutes are not needed. */
const MAX_NONCES = 1_000;

/** What the instance does on its own, and when. The alarm asks for both. */
export class Watch {
  private readonly deps: Deps;
  private looking = false;
  private nudgedAt: number | null = null;
  private flushAt: number | null = null;
  private readonly nonces = new Map<string, number>();

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** A look is wanted soon: a nudge, or something changed. */
  nudge(): void {
    this.nudgedAt = this.deps.clock();
  }

  /** A nudge from outside: genuine, timely, never seen before. At most one look per 2 s follows. */
  takeNudge(secret: string, body: string, signature: string): boolean {
    const now = this.deps.clock();
    const nonce = readNudge(secret, body, signature, now);
    for (const [seen, at] of this.nonces) if (at < now - 2 * NUDGE_SKEW_MS) this.nonces.delete(seen);
    if (nonce === null || this.nonces.has(nonce) || this.nonces.size >= MAX_NONCES) return false;
    this.nonces.set(nonce, now);
    this.nudge();
    return true;
  }

  /** The next moment something is due, ms since the epoch. */
  due(): number {
    const { operations, observer, verdicts, expiries, keys, configuration, clock } = this.deps;
    const now = clock();
    if (keys.unwritten) this.flushAt ??= now + FLUSH_MS;
    const busy = operations.busy ? now + BUSY_LOOK_MS : Number.POSITIVE_INFINITY;
    const nudged = this.nudgedAt === null ? Number.POSITIVE_INFINITY : (observer.lookedAt ?? 0) + BUSY_LOOK_MS;
    const look = observer.nextLook(configuration.own.pollSeconds * 1000);
    const never = Number.POSITIVE_INFINITY;
    const [verdict, approval] = [verdicts.nextAt() ?? never, operations.nextExpiry() ?? never];
    return Math.max(now, Math.min(busy, nudged, look, verdict, approval, expiries.due, this.flushAt ?? never));
  }

  /** Starts what is due and returns at once: nothing here waits for the server. */
  run(): void {
    const { operations, observer, verdicts, verifier, expiries, keys, configuration, clock } = this.deps;
    const now = clock();
    operations.resume();
    if (this.flushAt !== null && now >= this.flushAt) {
      this.flushAt = null;
      keys.flush();
    }
    if (now >= expiries.due) {
      expiries.run();
      this.deps.detach(configuration.reseal());
    }
    const { busy } = operations;
    const nudged = this.nudgedAt !== null && now >= (observer.lookedAt ?? 0) + BUSY_LOOK_MS;
    if (busy || nudged || now >= observer.nextLook(configuration.own.pollSeconds * 1000)) {
      this.nudgedAt = null;
      if (!this.looking) this.deps.detach(this.look(busy));
    }
    if ((verdicts.nextAt() ?? Number.POSITIVE_INFINITY) <= now) this.deps.detach(verifier.run());
  }

  private async look(busy: boolean): Promise<void> {
    this.looking = true;
    try {
      const { server, observer } = this.deps;
      const connected = await server.connect();
      if (!connected.ok) return observer.failed({ problem: connected.error, unauthorized: false });
      const { session, snapshot } = connected.value;
      // The snapshot hands what it got to the observer.
      const listing = await snapshot.look();
      if (!listing.ok) {
        if (!busy) observer.failed(listing.error);
        return;
      }
      if (busy) return;
      const failures = await session.cronFailures(observer.cronFailuresUntil);
      if (failures.ok) observer.cronFailed(failures.value);
    } finally {
      this.looking = false;
    }
  }
}
