import type { Clock } from "../base/clock.ts";

/** An alarm that was to ring this short a time ago is still about to, ms: to set it again would cost a row. */
const ABOUT_TO_RING_MS = 1_000;
/** When the alarm comes again after its work failed, ms. */
const RETRY_MS = 30_000;

/** The one alarm of an object. Setting it costs one row, so it is only ever brought forward. */
export class ObjectAlarm {
  private readonly storage: Pick<DurableObjectStorage, "getAlarm" | "setAlarm">;
  private readonly clock: Clock;
  /** The alarm as last known; null when it is to be asked for. */
  private armedFor: number | null = null;

  constructor(storage: Pick<DurableObjectStorage, "getAlarm" | "setAlarm">, clock: Clock) {
    this.storage = storage;
    this.clock = clock;
  }

  /** An alarm no later than `at`, ms since the epoch; `Infinity` needs none. Stored with what this turn writes, or not at all. */
  set(at: number): void {
    if (at === Number.POSITIVE_INFINITY || this.isArmedBy(at)) return;
    this.armedFor = at;
    void this.storage.setAlarm(at);
  }

  /** As `set`, but asks for the stored alarm first, which may be early enough. */
  async bringForward(at: number): Promise<void> {
    if (at === Number.POSITIVE_INFINITY || this.isArmedBy(at)) return;
    const armed = await this.storage.getAlarm();
    if (armed !== null && armed <= at) this.armedFor = armed;
    else this.set(at);
  }

  /**
   * Runs what is due. `work` answers when to ring next, and it is guarded, because an alarm that throws seven times is
   * dropped by the platform. Nothing is awaited until the alarm is set again.
   */
  ring(work: () => number): void {
    this.armedFor = null;
    try {
      this.set(work());
    } catch {
      console.error("an alarm could not do all that was due; it comes again");
      this.set(this.clock() + RETRY_MS);
    }
  }

  private isArmedBy(at: number): boolean {
    return this.armedFor !== null && this.armedFor <= at && this.armedFor > this.clock() - ABOUT_TO_RING_MS;
  }
}
