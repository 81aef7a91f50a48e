import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { sealer } from "../base/seal.ts";
import type { Sleep } from "../base/sleep.ts";
import type { EventType } from "../ledger/event-kinds.ts";
import { type AddressPolicy, readAddress } from "../webhooks/address.ts";
import type { PullAnswer, PullRequest } from "../webhooks/feed.ts";
import { reasonOfRefusal } from "../webhooks/reason.ts";
import { endpointSecrets } from "../webhooks/snippet.ts";
import { testEvent } from "../webhooks/test-event.ts";
import { type WireEndpoint, wireRequest } from "../webhooks/wire.ts";
import { type AttemptResult, attempt, type Net, refusedAttempt, resolveTarget, type Target } from "./attempt.ts";
import { AttemptLog } from "./attempt-log.ts";
import { Deliveries } from "./deliveries.ts";
import { Dispatcher } from "./dispatcher.ts";
import { EndpointStore } from "./store.ts";

/** What the platform and the tests give an endpoint: every effect its parts have goes through here. */
type EndpointPlatform = {
  id: string;
  sql: SqlStorage;
  encryptionKeys: readonly Uint8Array<ArrayBuffer>[];
  net: Net;
  pull: (request: PullRequest) => Promise<PullAnswer>;
  clock: Clock;
  random: Random;
  sleep: Sleep;
  detach: (work: Promise<unknown>) => void;
  arm: (at: number) => void;
  forgotten: () => void;
};

export type EndpointParts = ReturnType<typeof buildEndpoint>;

/** Puts an endpoint together. */
export function buildEndpoint(platform: EndpointPlatform) {
  const { id, sql, encryptionKeys, net, clock, random } = platform;
  const store = new EndpointStore(id, sql, sealer(encryptionKeys, random), clock, random);
  const deliveries = new Deliveries(sql);
  const log = new AttemptLog(sql, deliveries);
  const post = poster(net);
  const send = (event: { id: string; text: string }, at: number, captureBody = false): Promise<AttemptResult> | null =>
    store.ready && post(store.ready, event, at, captureBody);
  const cost = net.resolve === null ? 1 : 3;
  const dispatcher = new Dispatcher({ ...platform, deliveries, log, store, send, cost });

  /** Sends an example. Neither success nor failure counts for the endpoint. */
  const test = (type: EventType): Promise<AttemptResult | null> =>
    dispatcher.runInSlot(async () => {
      if (!(await store.unlock())) return null;
      const event = testEvent(type, { instance: store.settings?.instanceName ?? "", at: clock(), random });
      const result = await send(event, clock(), true);
      if (result) log.add({ seq: 0, event: event.id, type, attempts: 1 }, result, clock(), true);
      return result;
    });
  /** Whether an address may be stored. Its name is looked up where a resolver is set. */
  const checkTarget = async (url: string): Promise<Result<null, string>> => {
    const address = readAddress(url, net.policy);
    if (!address.ok) return fail(address.error.message);
    const found = await resolveTarget(net, address.value);
    return "refused" in found ? fail(found.refused.message) : ok(null);
  };
  return { store, deliveries, log, dispatcher, test, checkTarget };
}

/** Sends events to an endpoint. Its address is read once, and again when the endpoint or the policy changed. */
function poster(net: Net) {
  let known: { endpoint: WireEndpoint; policy: AddressPolicy; target: Omit<Target, "captureBody"> } | null = null;
  return (endpoint: WireEndpoint, event: { id: string; text: string }, at: number, captureBody: boolean) => {
    if (known?.endpoint !== endpoint || known.policy !== net.policy) {
      const address = readAddress(endpoint.url, net.policy);
      if (!address.ok) {
        return Promise.resolve(refusedAttempt(reasonOfRefusal(address.error)));
      }
      const secrets = endpointSecrets(endpoint.headers, endpoint.url);
      known = { endpoint, policy: net.policy, target: { address: address.value, secrets } };
    }
    return attempt(net, wireRequest(endpoint, event, at), { ...known.target, captureBody });
  };
}
