import { beforeEach, describe, expect, it } from "vitest";
import { secureRandom } from "../../../src/base/random.ts";
import { ok } from "../../../src/base/result.ts";
import type { Admitted } from "../../../src/instances/caller.ts";
import { KeyStore } from "../../../src/instances/keys/store.ts";
import { Ledger } from "../../../src/instances/ledger/store.ts";
import { instanceSteps } from "../../../src/instances/schema.ts";
import { type EndpointObject, webhookHandlers } from "../../../src/instances/webhooks/commands.ts";
import { Removals } from "../../../src/instances/webhooks/removals.ts";
import { Endpoints } from "../../../src/instances/webhooks/store.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import type { EndpointProgress, PullRequest } from "../../../src/webhooks/feed.ts";
import { aKey, NOW } from "../../harness/key.ts";
import { Turns } from "../../harness/object-sqlite.ts";
import { anEndpoint } from "../../harness/webhooks/endpoint-record.ts";

let now: number;
let turns: Turns;
let keys: KeyStore;
let ledger: Ledger;
let endpoints: Endpoints;
const clock = () => now;

const build = () => new Endpoints({ storage: turns.storage, keys, ledger, clock });
beforeEach(() => {
  now = NOW;
  turns = new Turns();
  migrate(turns.storage, instanceSteps);
  keys = new KeyStore(turns.sql, clock);
  ledger = new Ledger(turns.sql, clock, secureRandom, () => "acme");
  endpoints = build();
});

const progress: EndpointProgress = { cursor: 0, waiting: 0, lastSuccess: null, lastFailure: null, locked: false };
const request: PullRequest = { after: 0, limit: 10, refetch: [], progress, disabling: null };

describe("an owner who may not read events any more pauses the endpoint, and a pull gets nothing", () => {
  const grandparent = aKey({ id: "grandparent" });
  const parent = aKey({ id: "parent", parent: "grandparent" });
  const owner = aKey({ id: "owner", parent: "parent", expires: NOW + 60_000 });

  beforeEach(() => {
    for (const key of [grandparent, parent, owner]) keys.insert(key);
    endpoints.put(anEndpoint({ owner: "owner", lineage: ["owner", "parent", "grandparent"] }));
    ledger.append([
      { type: "key.revoked", data: { key: { id: "k", name: "robot" }, how: "deleted", actor: { kind: "admin" } } },
    ]);
  });

  it("while nothing is against it the pull brings the event", () => {
    const pulled = endpoints.pull("wh_test", request);
    expect(pulled).toMatchObject({ state: "active", activation: 1, page: { nextAfter: 1, events: [{ seq: 1 }] } });
  });

  const lost = owner.scopes.filter((scope) => scope !== "events:read");
  it.each<[string, () => void, string]>([
    [
      "an ancestor is disabled",
      () => keys.update({ ...grandparent, disabled: true }),
      "The key that made it, or one above, is disabled.",
    ],
    [
      "the owner expired",
      () => {
        now += 60_000;
      },
      "The key that made it, or one above, is outside its time.",
    ],
    [
      "an ancestor's time has not begun",
      () => keys.update({ ...parent, notBefore: NOW + 1 }),
      "The key that made it, or one above, is outside its time.",
    ],
    ["the owner was deleted", () => keys.remove("owner"), "The key that made it was deleted."],
    ["an ancestor was deleted", () => keys.remove("grandparent"), "The key that made it was deleted."],
    [
      "the owner lost events:read",
      () => keys.update({ ...owner, scopes: lost }),
      "The key that made it may not read events any more.",
    ],
    [
      "an ancestor lost events:read",
      () => keys.update({ ...parent, scopes: lost }),
      "The key that made it may not read events any more.",
    ],
  ])("%s", (_, happens, reason) => {
    happens();
    expect(endpoints.pull("wh_test", request)).toEqual({ state: "inactive", activation: 1 });
    expect(endpoints.find("wh_test")).toMatchObject({ state: "paused", reason });
    expect(endpoints.pageAfter("wh_test", 0, 10)).toBeNull();
    // As an instance that woke reads it.
    expect(build().find("wh_test")).toMatchObject({ state: "paused", reason });
  });

  it("it stays paused when the owner may again: resuming is a decision", () => {
    keys.update({ ...owner, disabled: true });
    endpoints.pull("wh_test", request);
    keys.update(owner);
    expect(endpoints.pull("wh_test", request)).toEqual({ state: "inactive", activation: 1 });
  });
});

describe("a command beside a DELETE of the same endpoint", () => {
  /** The command's answer when the endpoint is deleted while its object is asked. */
  const overtaken = async (run: (handlers: ReturnType<typeof webhookHandlers>) => unknown) => {
    endpoints.put(anEndpoint());
    const asked = Promise.withResolvers<void>();
    const deleted = Promise.withResolvers<void>();
    const hold = async <T>(value: T): Promise<T> => {
      asked.resolve();
      await deleted.promise;
      return value;
    };
    const object = {
      progress: () => hold(progress),
      change: () => hold(ok(null)),
      rotate: () => hold(ok("whsec_")),
      wipe: async () => undefined,
    };
    const handlers = webhookHandlers({
      storage: turns.storage,
      endpoints,
      announcer: { notify: () => undefined } as never,
      removals: new Removals({ endpoints, endpoint: () => object, detach: (work) => void work }),
      ledger,
      endpoint: () => object as unknown as EndpointObject,
      policy: { privateNetwork: "none", own: [], ports: [] },
      instanceName: () => "acme",
      clock,
    });
    const answered = run(handlers);
    await asked.promise;
    await handlers["webhooks.delete"]({ do: "webhooks.delete", id: "wh_test" }, administrator);
    deleted.resolve();
    return answered;
  };
  const administrator = { lineage: null, actor: { kind: "admin" } } as unknown as Admitted;

  it.each<[string, (handlers: ReturnType<typeof webhookHandlers>) => unknown]>([
    ["GET", (to) => to["webhooks.read"]({ do: "webhooks.read", id: "wh_test" }, administrator)],
    ["pause", (to) => to["webhooks.pause"]({ do: "webhooks.pause", id: "wh_test" }, administrator)],
    [
      "PATCH",
      (to) =>
        to["webhooks.change"]({ do: "webhooks.change", id: "wh_test", request: { description: "a" } }, administrator),
    ],
    [
      "rotate",
      (to) =>
        to["webhooks.rotate"]({ do: "webhooks.rotate", id: "wh_test", secret: null, overlapSeconds: 0 }, administrator),
    ],
  ])("%s finds no endpoint, and does not bring it back", async (_, run) => {
    expect(await overtaken(run)).toMatchObject({ ok: false, error: { code: "webhook_not_found" } });
    expect(endpoints.count).toBe(0);
  });
});
