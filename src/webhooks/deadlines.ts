import type { Clock } from "../base/clock.ts";
import type { Sleep } from "../base/sleep.ts";

/** Looked at this often: a deadline is kept to within it. */
const ROUND_MS = 250;

export type Deadline = { at: number; end: () => void };

/**
 * Many deadlines with one timer, which runs only while there are any. A timer per request costs more than the request's
 * signature.
 */
export class Deadlines {
  private readonly set = new Set<Deadline>();
  private readonly clock: Clock;
  private readonly sleep: Sleep;
  private running = false;

  constructor(clock: Clock, sleep: Sleep) {
    this.clock = clock;
    this.sleep = sleep;
  }

  /** `end` is called when `ms` are over, unless the deadline is lifted before. */
  within(ms: number, end: () => void): Deadline {
    const deadline = { at: this.clock() + ms, end };
    this.set.add(deadline);
    if (!this.running) void this.run();
    return deadline;
  }

  lift(deadline: Deadline): void {
    this.set.delete(deadline);
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.set.size > 0) {
      await this.sleep(ROUND_MS);
      const now = this.clock();
      for (const deadline of this.set) {
        if (deadline.at > now) continue;
        this.set.delete(deadline);
        deadline.end();
      }
    }
    this.running = false;
  }
}
