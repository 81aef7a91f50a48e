import { dueWithin } from "../base/clock.ts";
import type { Duty } from "../storage/duties.ts";

/** How long counts wait in memory before they are written, ms: most requests write no row of their own. */
const FLUSH_MS = 60_000;

type Delayed = { readonly unwritten: boolean; flush(): void };

/** Writes what the stores hold in memory. A kill loses at most the counts of one minute. */
export class DelayedWrites implements Duty {
  readonly name = "delayed writes";
  private readonly stores: readonly Delayed[];
  private flushAt: number | null = null;

  constructor(stores: readonly Delayed[]) {
    this.stores = stores;
  }

  /** The minute begins when it is first asked for after something was counted, which every command does. */
  due(now: number): number {
    if (!this.stores.some(({ unwritten }) => unwritten)) this.flushAt = null;
    else this.flushAt = dueWithin(this.flushAt ?? now + FLUSH_MS, FLUSH_MS, now);
    return this.flushAt ?? Number.POSITIVE_INFINITY;
  }

  run(): void {
    this.flushAt = null;
    for (const store of this.stores) store.flush();
  }
}
