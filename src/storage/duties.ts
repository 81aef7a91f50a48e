import { dueWithin } from "../base/clock.ts";

/**
 * Something an object does on its own. `due` is when, in ms since the epoch: `Infinity` for never, any moment that has
 * passed for now. `run` starts what is due and returns at once; it never waits for another server or object. Both are
 * called often, so `due` costs next to nothing. After `run` the duty must not be due at the same moment again.
 */
export type Duty = {
  readonly name: string;
  due(now: number): number;
  run(now: number): void;
};

/** A duty that failed is tried again after this, ms. */
export const DUTY_RETRY_MS = 30_000;

/** All duties of one object. Each is guarded: one that throws keeps none of the others from running. */
export class Duties {
  private readonly duties: readonly Duty[];
  /** Not before this, ms since the epoch, by the name of a duty that failed. */
  private readonly retryAt = new Map<string, number>();

  constructor(duties: readonly Duty[]) {
    this.duties = duties;
  }

  /** When the earliest is due, and never before `now`. */
  due(now: number): number {
    return Math.max(now, Math.min(...this.duties.map((duty) => this.dueOf(duty, now))));
  }

  /** Runs every duty whose time has come, in the order of the list. Never throws. */
  run(now: number): void {
    for (const duty of this.duties)
      if (this.dueOf(duty, now) <= now)
        this.guarded(duty, now, () => {
          duty.run(now);
          this.retryAt.delete(duty.name);
        });
  }

  private dueOf(duty: Duty, now: number): number {
    const retryAt = this.retryAt.get(duty.name) ?? 0;
    return dueWithin(retryAt, DUTY_RETRY_MS, now) > now
      ? retryAt
      : (this.guarded(duty, now, () => duty.due(now)) ?? now + DUTY_RETRY_MS);
  }

  private guarded<T>(duty: Duty, now: number, work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      this.retryAt.set(duty.name, now + DUTY_RETRY_MS);
      console.error(`${duty.name}: ${error instanceof Error ? error.name : "unknown error"}; it is tried again`);
      return null;
    }
  }
}

/** A duty that is due whenever its object wakes, and every `everyMs` after that. */
export function periodic(name: string, everyMs: number, work: (now: number) => void): Duty {
  let next = 0;
  return {
    name,
    due: (now) => dueWithin(next, everyMs, now),
    run(now) {
      work(now);
      next = now + everyMs;
    },
  };
}
