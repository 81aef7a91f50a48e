import type { Clock } from "../base/clock.ts";
import type { Sleep } from "../base/sleep.ts";

/** Looked at this often: a deadline is kept to within it. */
const ROUND_MS = 250;

/** One for all that must be over in the same quarter of a second. `signal` aborts when the time has come. */
export type Deadline = { readonly signal: AbortSignal };

type Round = Deadline & { at: number; over: AbortController; waiting: number };

/**
 * Many deadlines with few signals and one timer, which runs only while there are any. A signal and a timer per request
 * would cost more than the request's signature.
 */
export class Deadlines {
  private readonly rounds = new Map<number, Round>();
  private readonly clock: Clock;
  private readonly sleep: Sleep;
  private running = false;

  constructor(clock: Clock, sleep: Sleep) {
    this.clock = clock;
    this.sleep = sleep;
  }

  /** In `ms` at the earliest. To be given back with `lift` when what it was for is over. */
  within(ms: number): Deadline {
    const at = Math.ceil((this.clock() + ms) / ROUND_MS) * ROUND_MS;
    const round = this.rounds.get(at) ?? this.begin(at);
    round.waiting++;
    return round;
  }

  lift(deadline: Deadline): void {
    const round = deadline as Round;
    // A clock that was set back may have begun another round of the same time.
    if (--round.waiting === 0 && this.rounds.get(round.at) === round) this.rounds.delete(round.at);
  }

  private begin(at: number): Round {
    const over = new AbortController();
    const round = { at, over, signal: over.signal, waiting: 0 };
    this.rounds.set(at, round);
    if (!this.running) void this.run();
    return round;
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.rounds.size > 0) {
      await this.sleep(ROUND_MS);
      const now = this.clock();
      for (const { at, over } of this.rounds.values()) {
        if (at > now) continue;
        this.rounds.delete(at);
        over.abort(new DOMException("late", "TimeoutError"));
      }
    }
    this.running = false;
  }
}
