import type { Clock } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { AttemptResult } from "../../endpoints/attempt.ts";
import type { AttemptView } from "../../endpoints/attempt-view.ts";
import type { Endpoint } from "../../endpoints/endpoint.ts";
import type { EndpointSettings } from "../../endpoints/store.ts";
import type { EventType } from "../../ledger/event-kinds.ts";
import type { AddressPolicy } from "../../webhooks/address.ts";
import { type Admitted, type Handlers, type Policies, PRESENTED_CREDENTIALS } from "../caller.ts";
import type { Ledger } from "../ledger/store.ts";
import type { Announcer } from "./announcer.ts";
import type { Removals } from "./removals.ts";
import { checkRequest, checkSecret } from "./request.ts";
import { type EndpointRecord, type Endpoints, endpointFact } from "./store.ts";
import { type EndpointRequest, type EndpointView, endpointView, type MadeEndpoint, type ReplayFrom } from "./view.ts";

/** The most endpoints that one instance may have. */
const MOST_ENDPOINTS = 1_000;

/** An endpoint's object as its instance calls it. */
export type EndpointObject = Pick<
  Endpoint,
  "create" | "change" | "rotate" | "notify" | "progress" | "reseal" | "test" | "attempts" | "replay" | "wipe"
>;

export type WebhookCommands = {
  "webhooks.create": {
    /** `id` is made by the Worker, which holds the tag key. */
    input: { id: string; request: EndpointRequest & { url: string }; secret: string | null };
    output: MadeEndpoint;
  };
  "webhooks.list": { input: PageRequest; output: Page<EndpointView> };
  "webhooks.read": { input: { id: string }; output: EndpointView };
  "webhooks.change": { input: { id: string; request: EndpointRequest }; output: MadeEndpoint };
  "webhooks.delete": { input: { id: string }; output: null };
  "webhooks.pause": { input: { id: string }; output: EndpointView };
  "webhooks.resume": { input: { id: string }; output: EndpointView };
  "webhooks.rotate": {
    input: { id: string; secret: string | null; overlapSeconds: number };
    output: MadeEndpoint;
  };
  "webhooks.test": { input: { id: string; type: EventType }; output: AttemptResult };
  "webhooks.attempts": { input: { id: string } & PageRequest; output: Page<AttemptView> };
  "webhooks.replay": { input: { id: string; from: ReplayFrom }; output: EndpointView };
};

export const webhookPolicies: Policies<WebhookCommands> = {
  // Its maker must be allowed to read what it will send.
  "webhooks.create": {
    scope: "webhooks:write",
    also: () => ["events:read"],
    audit: true,
    credentials: PRESENTED_CREDENTIALS,
  },
  "webhooks.list": { scope: "webhooks:read", audit: false },
  "webhooks.read": { scope: "webhooks:read", audit: false },
  "webhooks.change": { scope: "webhooks:write", audit: true, credentials: PRESENTED_CREDENTIALS },
  "webhooks.delete": { scope: "webhooks:write", audit: true },
  "webhooks.pause": { scope: "webhooks:write", audit: true },
  "webhooks.resume": { scope: "webhooks:write", audit: true },
  "webhooks.rotate": { scope: "webhooks:write", audit: true, credentials: PRESENTED_CREDENTIALS },
  "webhooks.test": { scope: "webhooks:write", audit: true },
  "webhooks.attempts": { scope: "webhooks:read", audit: false },
  "webhooks.replay": { scope: "webhooks:write", audit: true },
};

type Deps = {
  storage: DurableObjectStorage;
  endpoints: Endpoints;
  announcer: Announcer;
  removals: Removals;
  ledger: Ledger;
  endpoint: (id: string) => EndpointObject;
  policy: AddressPolicy;
  instanceName: () => string;
  clock: Clock;
};

/** Runs the commands about webhook endpoints. An endpoint is visible to the key that made it and to the keys above it. */
export function webhookHandlers(deps: Deps): Handlers<WebhookCommands> {
  const { storage, endpoints, announcer, removals, ledger, endpoint, policy, instanceName, clock } = deps;

  const visible = ({ lineage, state }: EndpointRecord, admitted: Admitted): boolean =>
    state !== "deleting" && (admitted.lineage === null || lineage.includes(admitted.lineage[0].id));
  const find = (id: string, admitted: Admitted): Result<EndpointRecord, Problem> => {
    const record = endpoints.find(id);
    return record && visible(record, admitted) ? ok(record) : fail(problem("webhook_not_found"));
  };
  const settingsOf = ({ format, signatures, ratePerMinute }: EndpointRecord): EndpointSettings => ({
    instanceName: instanceName(),
    format,
    signatures,
    ratePerMinute,
  });
  const view = (record: EndpointRecord): EndpointView =>
    endpointView(record, endpoints.progress(record.id), ledger.head.seq);
  /** The endpoint's object is asked for its progress. The endpoint may be deleted meanwhile. */
  const read = async (id: string): Promise<Result<EndpointView, Problem>> => {
    const progress = await endpoint(id).progress();
    if (progress) endpoints.setProgress(id, progress);
    const record = endpoints.find(id);
    return record && record.state !== "deleting" ? ok(view(endpoints.checked(id))) : fail(problem("webhook_not_found"));
  };

  return {
    "webhooks.create": async ({ id, request, secret }, admitted) => {
      const format = request.format ?? "standard";
      const checked = checkRequest(request, format, policy);
      if (!checked.ok) return checked;
      const own = checkSecret(secret);
      if (!own.ok) return own;
      if (endpoints.count >= MOST_ENDPOINTS) return fail(problem("too_many_webhooks"));
      const address = checked.value.address!;
      const headers = checked.value.headers ?? {};
      const record: EndpointRecord = {
        id,
        owner: admitted.lineage?.[0].id ?? null,
        lineage: admitted.lineage?.map((key) => key.id) ?? [],
        types: checked.value.types ?? ["*"],
        patterns: checked.value.patterns ?? ["*"],
        state: "active",
        reason: null,
        activation: 1,
        ...shownAddress(address.url),
        headerNames: Object.keys(headers),
        description: request.description ?? "",
        format,
        signatures: request.signatures ?? ["v1", "v1a"],
        ratePerMinute: request.ratePerMinute ?? null,
        created: clock(),
      };
      // The object comes first, so that every listed endpoint has one. Its alarm deletes one that was never listed.
      const cursor = ledger.head.seq;
      const made = await endpoint(id).create(id, settingsOf(record), { url: address.url, headers }, own.value, cursor);
      if (!made.ok) return made;
      endpoints.put(record);
      if (made.value.sealedWith !== null) endpoints.setSealedWith(id, made.value.sealedWith);
      announcer.notify(id);
      endpoints.setProgress(id, { cursor, waiting: 0, lastSuccess: null, lastFailure: null, locked: false });
      return ok({ ...view(record), secret: made.value.secret });
    },

    "webhooks.list": async ({ limit, cursor }, admitted) => {
      const mine = endpoints.all().filter((record) => visible(record, admitted) && record.id > (cursor ?? ""));
      const page = mine.slice(0, limit);
      // An endpoint that was not seen at the ledger's end may have delivered since: the object is asked, as for one alone.
      const isAtEnd = (id: string) => endpoints.progress(id)?.cursor === ledger.head.seq;
      const shown = await Promise.all(page.map(({ id }) => (isAtEnd(id) ? ok(view(endpoints.checked(id))) : read(id))));
      const items = shown.flatMap((each) => (each.ok ? [each.value] : []));
      return ok({ items, nextCursor: mine.length > limit ? page.at(-1)!.id : null });
    },

    "webhooks.read": async ({ id }, admitted) => {
      const record = find(id, admitted);
      return record.ok ? read(id) : record;
    },

    "webhooks.change": async ({ id, request }, admitted) => {
      const found = find(id, admitted);
      if (!found.ok) return found;
      const before = found.value;
      const checked = checkRequest(request, request.format ?? before.format, policy);
      if (!checked.ok) return checked;
      const { address, headers, ...rest } = checked.value;
      const moved = address !== undefined && new URL(address.url).origin !== before.origin;
      const names = headers ? Object.keys(headers) : moved ? [] : before.headerNames;
      const after: EndpointRecord = {
        ...before,
        ...defined(rest),
        ...(address ? shownAddress(address.url) : {}),
        headerNames: names,
      };
      const target = { ...(address ? { url: address.url } : {}), ...(headers ? { headers } : {}) };
      const secret = await endpoint(id).change(settingsOf(after), target);
      if (!secret.ok) return secret;
      // What changed while the object was asked stays.
      const now = endpoints.find(id);
      if (!now) return fail(problem("webhook_not_found"));
      const { state, reason, activation, sealedWith } = now;
      endpoints.put({ ...after, state, reason, activation, sealedWith });
      announcer.notify(id);
      const shown = await read(id);
      return shown.ok && secret.value !== null ? ok({ ...shown.value, secret: secret.value }) : shown;
    },

    "webhooks.delete": async ({ id }, admitted) => {
      const found = find(id, admitted);
      if (!found.ok) return found;
      // Marked first: from here on nothing is sent to it, and after a kill the alarm finishes the removal.
      endpoints.put({ ...found.value, state: "deleting" });
      await removals.finish(id);
      return ok(null);
    },

    "webhooks.pause": async ({ id }, admitted) => {
      const found = find(id, admitted);
      if (!found.ok) return found;
      if (found.value.state === "active") {
        endpoints.put({ ...found.value, state: "paused", reason: "Paused on request." });
        announcer.notify(id);
      }
      return read(id);
    },

    "webhooks.resume": async ({ id }, admitted) => {
      const found = find(id, admitted);
      if (!found.ok) return found;
      const { state, activation } = found.value;
      if (state !== "active") {
        storage.transactionSync(() => {
          endpoints.put({ ...found.value, state: "active", reason: null, activation: activation + 1 });
          if (state === "disabled")
            ledger.append([
              { type: "webhook.resumed", data: { webhook: endpointFact(found.value), actor: admitted.actor } },
            ]);
        });
        announcer.notify(id);
      }
      return read(id);
    },

    "webhooks.rotate": async ({ id, secret, overlapSeconds }, admitted) => {
      const found = find(id, admitted);
      if (!found.ok) return found;
      const own = checkSecret(secret);
      if (!own.ok) return own;
      const made = await endpoint(id).rotate(own.value, overlapSeconds);
      if (!made.ok) return made;
      const shown = await read(id);
      return shown.ok ? ok({ ...shown.value, secret: made.value }) : shown;
    },

    "webhooks.test": async ({ id, type }, admitted) => {
      const found = find(id, admitted);
      return found.ok ? endpoint(id).test(type) : found;
    },

    "webhooks.attempts": async ({ id, limit, cursor }, admitted) => {
      const found = find(id, admitted);
      return found.ok ? endpoint(id).attempts(limit, cursor) : found;
    },

    "webhooks.replay": async ({ id, from }, admitted) => {
      const found = find(id, admitted);
      if (!found.ok) return found;
      if (found.value.state !== "active") return fail(problem("webhook_not_active"));
      const event = "event" in from ? endpoints.event(found.value, from.event) : null;
      if ("event" in from && !event) return fail(problem("event_not_found"));
      const after = "seq" in from ? from.seq - 1 : "time" in from ? ledger.before(from.time) : 0;
      const replayed = await endpoint(id).replay(event ? { event } : { after });
      if (!replayed.ok) return replayed;
      announcer.notify(id);
      return read(id);
    },
  };
}

const shownAddress = (url: string) => {
  const { origin, pathname, search } = new URL(url);
  return { origin, hasPath: pathname !== "/" || search !== "" };
};

const defined = <T extends object>(given: T): T =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
