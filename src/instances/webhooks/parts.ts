import type { Clock } from "../../base/clock.ts";
import type { Sealer } from "../../base/seal.ts";
import type { Sleep } from "../../base/sleep.ts";
import { addressPolicy } from "../../endpoints/net.ts";
import type { Settings } from "../../settings.ts";
import type { KeyStore } from "../keys/store.ts";
import type { Ledger } from "../ledger/store.ts";
import { Announcer } from "./announcer.ts";
import { type EndpointObject, webhookHandlers } from "./commands.ts";
import { EndpointRound } from "./endpoint-round.ts";
import { Removals } from "./removals.ts";
import { EndpointResealing } from "./resealing.ts";
import { Endpoints } from "./store.ts";

type WebhookPlatform = {
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

/** An instance's side of its webhooks: its endpoints, what it does for them on its own, and the commands about them. */
export function buildWebhooks(platform: WebhookPlatform) {
  const { storage, settings, sealer, clock, sleep, detach, endpoint, keys, ledger, wake } = platform;
  const { sql } = storage;
  const endpoints = new Endpoints({ storage, keys, ledger, clock });
  const announcer = new Announcer({ sql, ledger, endpoints, endpoint, clock, sleep, detach, wake });
  ledger.onAppend = () => announcer.ledgerGrew();
  const round = new EndpointRound(announcer);
  const removals = new Removals({ endpoints, endpoint, detach });
  const resealing = new EndpointResealing({ sql, endpoints, endpoint, sealer, detach });
  const handlers = webhookHandlers({ ...platform, endpoints, announcer, removals, policy: addressPolicy(settings) });
  return { endpoints, announcer, round, removals, resealing, handlers };
}
