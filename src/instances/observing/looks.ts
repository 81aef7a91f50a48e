import { type Clock, pastOrUnknown } from "../../base/clock.ts";
import type { Duty } from "../../storage/duties.ts";
import type { Operations } from "../operations/engine.ts";
import type { Server } from "../server/server.ts";
import type { Configuration } from "../server/store.ts";
import type { Observer } from "./observer.ts";

/** How often the server is looked at while an operation works on it, or just after a nudge, ms. */
const BUSY_LOOK_MS = 2_000;

type Deps = {
  configuration: Configuration;
  server: Server;
  operations: Operations;
  observer: Observer;
  clock: Clock;
  detach: (work: Promise<unknown>) => void;
  /** Called when a look is over: what is due next may be another moment. */
  settled: () => void;
};

/** Looks at the server's list of backups, and at its log for failures of its own cron. One look at a time. */
export class Looks implements Duty {
  readonly name = "looks";
  private readonly deps: Deps;
  /** When the last look began, and whether it is still under way. */
  private beganAt = 0;
  private looking = false;
  private nudged = false;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** A look is wanted soon: a nudge came, or an operation changed something. */
  nudge(): void {
    this.nudged = true;
  }

  due(now: number): number {
    const { operations, observer, configuration } = this.deps;
    const soon = now + BUSY_LOOK_MS;
    const beganAt = pastOrUnknown(this.beganAt, now) ?? 0;
    if (operations.pollingPaused) return soon;
    const usual = configuration.own.pollSeconds * 1000;
    const { busy } = operations.rows;
    // While one is under way the next is counted from its beginning.
    if (this.looking) return busy ? soon : Math.max(beganAt + usual, soon);
    const nudged = this.nudged ? (observer.lookedAt ?? 0) + BUSY_LOOK_MS : Number.POSITIVE_INFINITY;
    const working = busy ? this.operationBeganAt(now) + BUSY_LOOK_MS : Number.POSITIVE_INFINITY;
    const due = Math.min(nudged, working, observer.nextLook(usual));
    return Math.max(due, beganAt + BUSY_LOOK_MS);
  }

  run(now: number): void {
    this.nudged = false;
    this.beganAt = now;
    this.looking = true;
    this.deps.detach(this.look(this.deps.operations.rows.busy));
  }

  /** When the latest of the operations under way began, ms since the epoch. */
  private operationBeganAt(now: number): number {
    const active = this.deps.operations.rows.active();
    return Math.max(0, ...active.map(({ started }) => pastOrUnknown(started, now) ?? 0));
  }

  /** A failure while an operation works on the server is not announced: the operation notices it itself. */
  private async look(busy: boolean): Promise<void> {
    try {
      const { server, observer } = this.deps;
      const connected = await server.connect();
      if (!connected.ok) return observer.failed({ problem: connected.error, unauthorized: false });
      const { session, listings } = connected.value;
      // The cache hands every list it gets to the observer.
      const listing = await listings.look();
      if (!listing.ok) {
        if (!busy) observer.failed(await server.explained(listing.error));
        return;
      }
      const since = observer.cronFailuresUntil;
      if (busy || since === null) return;
      const failures = await session.cronFailures(since);
      if (failures.ok) observer.cronFailed(failures.value);
    } finally {
      this.looking = false;
      this.deps.settled();
    }
  }
}
