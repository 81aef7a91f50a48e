import type { Clock } from "../../base/clock.ts";
import type { Sealer } from "../../base/seal.ts";
import type { Sleep } from "../../base/sleep.ts";
import { addressPolicy } from "../../endpoints/net.ts";
import type { Settings } from "../../settings.ts";
import type { KeyStore } from "../keys/store.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { Announcer } from "./announcer.ts";
import { type EndpointObject, webhookHandlers } from "./commands.ts";
import { Endpoints } from "./endpoints.ts";

export type WebhookPlatform = {
  storage: DurableObjectStorage;
  settings: Settings;
  sealer: Sealer;
  clock: Clock;
  sleep: Sleep;
  detach: (work: Promise<unknown>) => void;
  endpoint: (id: string) => EndpointObject;
  /** An alarm no later than `at`, written with what this turn writes. */
  wake: (at: number) => void;
  keys: KeyStore;
  ledger: Ledger;
  instanceName: () => string;
};

/** An instance's side of its webhooks: who they are, who tells them, and the commands about them. */
export function buildWebhooks(platform: WebhookPlatform) {
  const { storage, settings, sealer, clock, sleep, detach, endpoint, keys, ledger, wake } = platform;
  const endpoints = new Endpoints({ storage, keys, ledger, clock });
  const announcer = new Announcer({ sql: storage.sql, ledger, endpoints, endpoint, clock, sleep, detach, wake });
  ledger.grew = () => announcer.grew();
  const handlers = webhookHandlers({ ...platform, endpoints, announcer, policy: addressPolicy(settings) });
  /** Ids of those that did not say yet that the first ENCRYPTION_KEY seals their secrets: a former one may be needed. */
  const leftToReseal = async (): Promise<string[]> => {
    const living = endpoints.all().filter(({ state }) => state !== "deleting");
    const current = await Promise.all(living.map(({ sealedWith }) => sealer.isCurrent(sealedWith ?? "")));
    return living.filter((_, index) => !current[index]).map(({ id }) => id);
  };
  /** Finishes removals that a kill cut short, and has everybody, paused or not, seal anew what a former key sealed. */
  const sweep = async (): Promise<void> => {
    for (const { id, state } of endpoints.all()) {
      if (state !== "deleting") continue;
      await endpoint(id).wipe();
      endpoints.remove(id);
    }
    for (const id of await leftToReseal()) {
      // One that cannot answer now is asked in the next round.
      const sealedWith = await endpoint(id)
        .reseal()
        .catch(() => null);
      if (sealedWith !== null) endpoints.sealed(id, sealedWith);
    }
  };
  return { endpoints, announcer, handlers, sweep, leftToReseal };
}
