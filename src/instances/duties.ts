import type { Clock } from "../base/clock.ts";
import { NUDGE_SKEW_MS, readNudge } from "../observing/nudge.ts";
import type { Audit } from "./audit/store.ts";
import type { KeyStore } from "./keys/store.ts";
import { FLUSH_MS } from "./keys/store.ts";
import type { Expiries } from "./observing/expiries.ts";
import type { Observer } from "./observing/observer.ts";
import type { Verifications } from "./observing/verifications.ts";
import type { Verifier } from "./observing/verifier.ts";
import type { Operations } from "./operations/engine.ts";
import type { Configuration } from "./server/configuration.ts";
import type { Server } from "./server/server.ts";

/** How often the server is looked at while an operation runs, or just after a nudge. */
export const BUSY_LOOK_MS = 2_000;

type Deps = {
  configuration: Configuration;
  server: Server;
  operations: Operations;
  observer: Observer;
  verifications: Verifications;
  verifier: Verifier;
  expiries: Expiries;
  keys: KeyStore;
  audit: Audit;
  clock: Clock;
  detach: (work: Promise<unknown>) => void;
  /** Called when a look is over: what is due next may be another moment. */
  settled: () => void;
};

/** More genuine nudges than this in ten minutes are not needed. */
const MAX_NONCES = 1_000;

/** What the instance does on its own, and when. The alarm asks for both. */
export class Watch {
  private readonly deps: Deps;
  /** When the look under way began; null while there is none. */
  private lookingSince: number | null = null;
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
    const { operations, verifications, verifier, expiries, keys, audit, clock } = this.deps;
    const now = clock();
    if (keys.unwritten || audit.unwritten) this.flushAt ??= now + FLUSH_MS;
    const never = Number.POSITIVE_INFINITY;
    const soon = now + BUSY_LOOK_MS;
    const verification = verifications.nextAt() ?? never;
    const due = Math.min(
      operations.rows.busy ? soon : never,
      operations.pollingPaused ? soon : this.nextLook(now),
      // One at a time, and none while the server is to be left alone.
      verifier.busy || operations.pollingPaused ? Math.max(verification, soon) : verification,
      operations.rows.nextExpiry() ?? never,
      expiries.due,
      this.flushAt ?? never,
    );
    return Math.max(now, due);
  }

  /** One look at a time: while one is under way the next is counted from its beginning. */
  private nextLook(now: number): number {
    const { observer, configuration } = this.deps;
    const usual = configuration.own.pollSeconds * 1000;
    if (this.lookingSince !== null) return Math.max(this.lookingSince + usual, now + BUSY_LOOK_MS);
    const nudged = this.nudgedAt === null ? Number.POSITIVE_INFINITY : (observer.lookedAt ?? 0) + BUSY_LOOK_MS;
    return Math.min(nudged, observer.nextLook(usual));
  }

  /** Starts what is due and returns at once: nothing here waits for the server. */
  run(): void {
    const { operations, verifications, verifier, expiries, keys, audit, configuration, clock } = this.deps;
    const now = clock();
    operations.resume();
    if (this.flushAt !== null && now >= this.flushAt) {
      this.flushAt = null;
      keys.flush();
      audit.flush();
    }
    if (now >= expiries.due) {
      expiries.run();
      this.deps.detach(configuration.reseal());
    }
    const { busy } = operations.rows;
    if (operations.pollingPaused) return;
    if (this.lookingSince === null && (busy || now >= this.nextLook(now))) {
      this.nudgedAt = null;
      this.lookingSince = now;
      this.deps.detach(this.look(busy));
    }
    if ((verifications.nextAt() ?? Number.POSITIVE_INFINITY) <= now) this.deps.detach(verifier.run());
  }

  private async look(busy: boolean): Promise<void> {
    try {
      const { server, observer, operations } = this.deps;
      const connected = await server.connect();
      if (!connected.ok) return observer.failed({ problem: connected.error, unauthorized: false });
      const { session, listings } = connected.value;
      // The snapshot hands what it got to the observer.
      const listing = await listings.look();
      if (!listing.ok) {
        if (!busy) observer.failed(listing.error);
        return;
      }
      if (busy) return;
      const since = observer.cronFailuresUntil;
      const failures = since === null ? null : await session.cronFailures(since);
      if (failures?.ok) observer.cronFailed(failures.value);
      await operations.cleanUp(session);
    } finally {
      this.lookingSince = null;
      this.deps.settled();
    }
  }
}
