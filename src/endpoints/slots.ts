/** Requests under way at once. A place is free only when its result is durable, so a kill repeats no more than these. */
export const WIDTH = 6;

/** The places of one endpoint's requests. Deliveries take what is free, tests wait for the next one that is. */
export class Slots {
  /** By `seq`: the deliveries whose result is not written yet. */
  readonly inFlight = new Set<number>();
  private tests = 0;
  private readonly queued: (() => void)[] = [];

  /** Whether one more delivery may start where `most` requests are borne. */
  free(most: number): boolean {
    return this.inFlight.size + this.tests < most;
  }

  async test<T>(work: () => Promise<T>): Promise<T> {
    await new Promise<void>((begin) => {
      this.queued.push(begin);
      this.seat();
    });
    try {
      return await work();
    } finally {
      this.tests--;
      this.seat();
    }
  }

  completed(seqs: readonly number[]): void {
    for (const seq of seqs) this.inFlight.delete(seq);
    this.seat();
  }

  private seat(): void {
    while (this.queued.length > 0 && this.free(WIDTH)) {
      this.tests++;
      this.queued.shift()!();
    }
  }
}
