import { dueWithin } from "../../base/clock.ts";
import type { Sealer } from "../../base/seal.ts";
import type { Duty } from "../../storage/duties.ts";
import type { Endpoints } from "./store.ts";

/** Endpoints that could not seal their secrets anew are asked again after this, ms. */
const RETRY_MS = 300_000;

type Deps = {
  sql: SqlStorage;
  endpoints: Endpoints;
  endpoint: (id: string) => { reseal(): Promise<string | null> };
  sealer: Sealer;
  detach: (work: Promise<unknown>) => void;
};

/** Has every endpoint, paused or not, seal anew what a former ENCRYPTION_KEY sealed. */
export class EndpointResealing implements Duty {
  readonly name = "endpoint re-sealing";
  private readonly deps: Deps;
  /** Stored, so that an object that wakes does not ask the same endpoints at once. */
  private next: number;

  constructor(deps: Deps) {
    this.deps = deps;
    const [row] = deps.sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'endpointsResealAt'").toArray();
    this.next = row ? Number(row.value) : 0;
  }

  due(now: number): number {
    return this.deps.endpoints.count > 0 ? dueWithin(this.next, RETRY_MS, now) : Number.POSITIVE_INFINITY;
  }

  run(now: number): void {
    this.next = now + RETRY_MS;
    this.deps.detach(this.reseal(this.next));
  }

  /** Ids of those that did not say yet that the first ENCRYPTION_KEY seals their secrets: a former one may be needed. */
  async left(): Promise<string[]> {
    const { endpoints, sealer } = this.deps;
    const living = endpoints.all().filter(({ state }) => state !== "deleting");
    const current = await Promise.all(living.map(({ sealedWith }) => sealer.isCurrent(sealedWith ?? "")));
    return living.filter((_, index) => !current[index]).map(({ id }) => id);
  }

  /** The pause is stored last: a round that a kill cut short begins again when the object wakes. */
  private async reseal(next: number): Promise<void> {
    const { sql, endpoints, endpoint } = this.deps;
    for (const id of await this.left()) {
      const sealedWith = await endpoint(id)
        .reseal()
        .catch(() => null);
      if (sealedWith !== null) endpoints.setSealedWith(id, sealedWith);
    }
    if ((await this.left()).length === 0) this.next = Number.POSITIVE_INFINITY;
    else sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('endpointsResealAt', ?)", String(next));
  }
}
