import type { Sleep } from "../base/sleep.ts";
import type { Attempted } from "./attempt.ts";
import type { Open } from "./deliveries.ts";

/** A request that came back; times in ms, `activation` the endpoint's when it was sent. */
export type Completion = { open: Open; attempted: Attempted; startedAt: number; at: number; activation: number };

/**
 * How long a result may wait for others to be written with it, while requests beside it are under way: about as long as
 * requests take of late, within these bounds, so that one that hangs costs the others next to nothing.
 */
const TOGETHER_MS = { least: 2, most: 50 };

/**
 * Results that wait to be written. A commit waits for the disk, so requests that come back together are written together;
 * until then their places stay taken.
 */
export class Completions {
  private readonly waiting: Completion[] = [];
  private readonly sleep: Sleep;
  private readonly detach: (work: Promise<unknown>) => void;
  private readonly write: (completions: Completion[]) => void;
  private timed = false;
  /** What a request takes of late, ms. */
  private usual = 0;

  constructor(sleep: Sleep, detach: (work: Promise<unknown>) => void, write: (completions: Completion[]) => void) {
    this.sleep = sleep;
    this.detach = detach;
    this.write = write;
  }

  /** `under way` counts this one and all others without a written result. */
  add(completion: Completion, underWay: number): void {
    this.waiting.push(completion);
    this.usual += (Math.min(completion.attempted.ms, TOGETHER_MS.most) - this.usual) / 8;
    if (this.waiting.length >= underWay) this.settle();
    else if (!this.timed) {
      this.timed = true;
      const timed = this.sleep(Math.max(TOGETHER_MS.least, this.usual)).then(() => {
        this.timed = false;
        this.settle();
      });
      this.detach(timed);
    }
  }

  private settle(): void {
    if (this.waiting.length > 0) this.write(this.waiting.splice(0));
  }
}
