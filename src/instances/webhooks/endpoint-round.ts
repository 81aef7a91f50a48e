import type { Duty } from "../../storage/duties.ts";
import type { Announcer } from "./announcer.ts";

/** The watchdog's round: every endpoint is called, so that an alarm which the platform dropped is set again. */
export class EndpointRound implements Duty {
  readonly name = "endpoint round";
  private readonly announcer: Announcer;
  /** Kept in memory alone: the watchdog asks again in five minutes. */
  private requested = false;

  constructor(announcer: Announcer) {
    this.announcer = announcer;
  }

  request(): void {
    this.requested = true;
  }

  due(): number {
    return this.requested ? 0 : Number.POSITIVE_INFINITY;
  }

  run(now: number): void {
    this.requested = false;
    this.announcer.notifyAll(now);
  }
}
