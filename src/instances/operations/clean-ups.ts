import type { Duty } from "../../storage/duties.ts";
import type { Observer } from "../observing/observer.ts";
import type { Server } from "../server/server.ts";
import type { Operations } from "./engine.ts";

type Deps = {
  operations: Operations;
  server: Server;
  observer: Observer;
  detach: (work: Promise<unknown>) => void;
};

/** Removes what ended operations could not remove from the server: one try after each list that the server gave. */
export class CleanUps implements Duty {
  readonly name = "clean-ups";
  private readonly deps: Deps;
  private triedAt: number;
  private running = false;

  constructor(deps: Deps) {
    this.deps = deps;
    // A list from before this object woke may have been tried already: the next one is waited for.
    this.triedAt = deps.observer.lookedAt ?? 0;
  }

  due(): number {
    const { operations, observer } = this.deps;
    const answered = (observer.lookedAt ?? 0) > this.triedAt;
    if (this.running || !answered || operations.rows.busy) return Number.POSITIVE_INFINITY;
    return operations.leftToCleanUp().length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }

  run(now: number): void {
    this.triedAt = now;
    this.running = true;
    const work = this.cleanUp().finally(() => {
      this.running = false;
    });
    this.deps.detach(work);
  }

  private async cleanUp(): Promise<void> {
    const { operations, server } = this.deps;
    const connected = await server.connect();
    if (connected.ok) await operations.cleanUp(connected.value.session);
  }
}
