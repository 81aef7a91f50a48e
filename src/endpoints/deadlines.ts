import type { Clock } from "../base/clock.ts";
import type { Sleep } from "../base/sleep.ts";

/** Deadlines are checked this often, ms, and are late by no more. */
const TICK_MS = 250;

/** Shared by all requests that end in the same quarter of a second. `signal` aborts when the time has come. */
type Deadline = { readonly signal: AbortSignal };

type SharedDeadline = Deadline & { at: number; controller: AbortController; users: number };

/**
 * Many deadlines with few signals and one timer, which runs only while there are any: a signal and a timer for each request
 * would cost more than signing it.
 */
export class Deadlines {
  private readonly byTime = new Map<number, SharedDeadline>();
  private readonly clock: Clock;
  private readonly sleep: Sleep;
  private running = false;

  constructor(clock: Clock, sleep: Sleep) {
    this.clock = clock;
    this.sleep = sleep;
  }

  /** A deadline in `ms` at the earliest. To be given back with `release`. */
  within(ms: number): Deadline {
    const at = Math.ceil((this.clock() + ms) / TICK_MS) * TICK_MS;
    const shared = this.byTime.get(at) ?? this.create(at);
    shared.users++;
    return shared;
  }

  release(deadline: Deadline): void {
    const shared = deadline as SharedDeadline;
    // After a clock was set back there may be another deadline for the same time.
    if (--shared.users === 0 && this.byTime.get(shared.at) === shared) this.byTime.delete(shared.at);
  }

  private create(at: number): SharedDeadline {
    const controller = new AbortController();
    const shared = { at, controller, signal: controller.signal, users: 0 };
    this.byTime.set(at, shared);
    if (!this.running) void this.run();
    return shared;
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.byTime.size > 0) {
      await this.sleep(TICK_MS);
      const now = this.clock();
      for (const { at, controller } of this.byTime.values()) {
        if (at > now) continue;
        this.byTime.delete(at);
        controller.abort(new DOMException("late", "TimeoutError"));
      }
    }
    this.running = false;
  }
}
