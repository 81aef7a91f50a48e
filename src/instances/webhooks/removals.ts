import type { Duty } from "../../storage/duties.ts";
import type { Endpoints } from "./store.ts";

/** A removal that failed is tried again after this, ms. */
const RETRY_MS = 60_000;

type Deps = {
  endpoints: Endpoints;
  endpoint: (id: string) => { wipe(): Promise<void> };
  detach: (work: Promise<unknown>) => void;
};

/** Removes endpoints that are marked as `deleting`: by the command that marked them, or after a kill by the alarm. */
export class Removals implements Duty {
  readonly name = "endpoint removals";
  private readonly deps: Deps;
  private readonly running = new Set<string>();
  private retryAt = 0;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  due(): number {
    return this.interrupted().length > 0 ? this.retryAt : Number.POSITIVE_INFINITY;
  }

  run(now: number): void {
    this.retryAt = now + RETRY_MS;
    for (const id of this.interrupted()) this.deps.detach(this.finish(id).catch(() => undefined));
  }

  /** Wipes the endpoint's object, then forgets its record. */
  async finish(id: string): Promise<void> {
    const { endpoint, endpoints } = this.deps;
    this.running.add(id);
    try {
      await endpoint(id).wipe();
      endpoints.remove(id);
    } finally {
      this.running.delete(id);
    }
  }

  private interrupted(): readonly string[] {
    return this.deps.endpoints.deleting.filter((id) => !this.running.has(id));
  }
}
