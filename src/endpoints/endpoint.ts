import { DurableObject } from "cloudflare:workers";
import { systemClock } from "../base/clock.ts";
import type { Page } from "../base/page.ts";
import type { Problem } from "../base/problem.ts";
import { problem } from "../base/problem.ts";
import { secureRandom } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { systemSleep } from "../base/sleep.ts";
import { type Bindings, onPlainWorkerd } from "../bindings.ts";
import type { EventType } from "../ledger/event-kinds.ts";
import { readSettings, type Settings } from "../settings.ts";
import { ObjectAlarm } from "../storage/alarm.ts";
import { Opening } from "../storage/opening.ts";
import { instanceIdOf } from "../webhooks/endpoint-id.ts";
import type { EndpointProgress, FeedEvent, FeedPage, InstanceFeed } from "../webhooks/feed.ts";
import { missingInAddress } from "../webhooks/formats/render.ts";
import { jwks, type PublicJwk } from "../webhooks/key-pair.ts";
import { secretText } from "../webhooks/secret.ts";
import type { AttemptResult } from "./attempt.ts";
import type { AttemptView } from "./attempt-view.ts";
import { netOf } from "./net.ts";
import { buildEndpoint, type EndpointParts } from "./parts.ts";
import { endpointName, endpointSteps } from "./schema.ts";
import type { EndpointSettings, EndpointTarget } from "./store.ts";

/**
 * Requests that one event of this object's life may make. On Cloudflare a Free plan allows 50; the alarm, which comes at
 * once then, has the next ones. Plain workerd sets no limit.
 */
const EDGE_REQUESTS = 40;

/**
 * One webhook endpoint: its cursor into the ledger, its deliveries and their retries. Only its instance calls it, and
 * anybody for its public keys. The object itself holds no logic.
 */
export class Endpoint extends DurableObject<Bindings> {
  private readonly objectAlarm = new ObjectAlarm(this.ctx.storage, systemClock);
  private readonly opening = new Opening<Settings, EndpointParts>({
    storage: this.ctx.storage,
    steps: endpointSteps,
    settings: () => readSettings(this.env),
  });

  constructor(state: DurableObjectState, env: Bindings) {
    super(state, env);
    if (this.opening.hasTables) this.open(null);
  }

  private get parts(): EndpointParts | null {
    return this.opening.parts;
  }

  private get refusal(): Problem {
    return this.opening.refusal ?? problem("webhook_not_found");
  }

  /** Makes the tables. Reading begins after `cursor`. Returns the secret as it is shown once; `sealedWith` as `reseal`. */
  async create(
    id: string,
    settings: EndpointSettings,
    target: EndpointTarget,
    secret: Uint8Array<ArrayBuffer> | null,
    cursor: number,
  ): Promise<Result<{ secret: string; sealedWith: string | null }, Problem>> {
    const parts = this.open(id);
    if (!parts) return fail(this.refusal);
    const permitted = await parts.checkTarget(target.url);
    if (!permitted.ok) {
      await this.wipe();
      return refusedAddress(permitted.error);
    }
    const made = await parts.store.create(settings, target, secret);
    parts.deliveries.moveTo(cursor);
    // The alarm deletes an endpoint that its instance never recorded.
    this.objectAlarm.set(systemClock() + 60_000);
    return ok({ secret: secretText(made), sealedWith: parts.store.sealedWith });
  }

  /** Undefined `target` fields stay. A new secret comes back when the address moved to another origin. */
  async change(
    settings: EndpointSettings,
    change: { url?: string; headers?: Record<string, string> },
  ): Promise<Result<string | null, Problem>> {
    if (!this.parts) return fail(this.refusal);
    const { store, dispatcher } = this.parts;
    const before = await store.target();
    if (!before.ok) return fail(locked);
    const url = change.url ?? before.value.url;
    const moved = new URL(url).origin !== new URL(before.value.url).origin;
    const headers = change.headers ?? (moved ? {} : before.value.headers);
    const touched = change.url !== undefined || change.headers !== undefined;
    // The instance does not know the address, so it could not check a new format against it.
    const missing = settings.format === store.settings?.format ? null : missingInAddress(settings.format, url);
    if (missing !== null) return refusedAddress(missing, "validation_invalid_value");
    const permitted = change.url === undefined ? ok(null) : await this.parts.checkTarget(url);
    if (!permitted.ok) return refusedAddress(permitted.error);
    const secret = await store.change(settings, touched ? { url, headers } : null);
    if (!secret.ok) return fail(locked);
    dispatcher.renew();
    return ok(secret.value && secretText(secret.value));
  }

  async rotate(secret: Uint8Array<ArrayBuffer> | null, overlapSeconds: number): Promise<Result<string, Problem>> {
    if (!this.parts) return fail(this.refusal);
    const made = await this.parts.store.rotate(secret, systemClock() + overlapSeconds * 1000);
    return made.ok ? ok(secretText(made.value)) : fail(locked);
  }

  /** The ledger grew, or the watchdog makes its round. Answers the cursor after that; null when there is no such endpoint. */
  async notify(page: FeedPage | null, activation: number): Promise<number | null> {
    if (!this.parts) return null;
    this.parts.dispatcher.notify(page, activation, this.requests);
    return this.parts.deliveries.cursor;
  }

  async progress(): Promise<EndpointProgress | null> {
    return this.parts?.dispatcher.progress ?? null;
  }

  /**
   * Opens the secrets, which seals anew what a former ENCRYPTION_KEY sealed. Answers what names the key that seals them now;
   * null when it is no endpoint.
   */
  async reseal(): Promise<string | null> {
    await this.parts?.store.unlock();
    return this.parts?.store.sealedWith ?? null;
  }

  async test(type: EventType): Promise<Result<AttemptResult, Problem>> {
    if (!this.parts) return fail(this.refusal);
    const attempted = await this.parts.test(type);
    return attempted ? ok(attempted) : fail(locked);
  }

  async attempts(limit: number, cursor: string | null) {
    if (!this.parts) return fail(this.refusal);
    return ok<Page<AttemptView>>(this.parts.log.list(limit, cursor));
  }

  /** Sends one event once more, or everything after a `seq`. */
  async replay(what: { event: FeedEvent } | { after: number }): Promise<Result<null, Problem>> {
    if (!this.parts) return fail(this.refusal);
    const { deliveries, dispatcher } = this.parts;
    if ("event" in what) deliveries.replayOne(what.event, systemClock());
    else deliveries.replay(what.after, systemClock());
    dispatcher.renew();
    return ok(null);
  }

  /** Public keys as a JWK set; null for an endpoint that does not exist, or whose secrets are locked. */
  async jwks(): Promise<{ keys: PublicJwk[] } | null> {
    const { store } = this.parts ?? {};
    const keys = await store?.publicKeys();
    return store && keys?.ok ? jwks(store.id, keys.value.current, keys.value.previous) : null;
  }

  /** Deletes everything. Nothing is sent from here on. */
  async wipe(): Promise<void> {
    this.parts?.dispatcher.end();
    this.opening.close();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /** Sets the alarm first and sends then, so that a kill in between delays a retry and does not lose it. */
  override async alarm(): Promise<void> {
    this.objectAlarm.ring(() => {
      const { dispatcher } = this.parts ?? {};
      const due = dispatcher?.due ?? null;
      if (due !== null) this.objectAlarm.set(Math.max(due, systemClock() + 1_000));
      dispatcher?.wake(this.requests);
      return Number.POSITIVE_INFINITY;
    });
  }

  private get requests(): number {
    return onPlainWorkerd(this.env) ? Number.POSITIVE_INFINITY : EDGE_REQUESTS;
  }

  /** `given` when it is set up; an object that an alarm woke does not know its own name. */
  private open(given: string | null): EndpointParts | null {
    return this.opening.open((settings) => {
      const id = endpointName(this.ctx.storage.sql, given);
      const instance = this.env.INSTANCE.getByName(instanceIdOf(id)) as unknown as InstanceFeed;
      return buildEndpoint({
        id,
        sql: this.ctx.storage.sql,
        encryptionKeys: settings.encryptionKeys,
        net: netOf(this.env, settings, systemClock),
        pull: (request) => instance.pull(id, request),
        clock: systemClock,
        random: secureRandom,
        sleep: systemSleep,
        // An object lives as long as its requests do; `waitUntil` would only cost.
        detach: (work) => void work.catch(() => console.error("an endpoint's work ended with an error")),
        arm: (at) => this.objectAlarm.set(at),
        forgotten: () => this.ctx.waitUntil(this.wipe()),
      });
    });
  }
}

const locked = problem("sealed_locked", {
  message: "The endpoint's secrets cannot be opened with the configured ENCRYPTION_KEY.",
  hint: "Put the former ENCRYPTION_KEY back (as second, after a comma), or delete the endpoint and make it anew.",
});

const refusedAddress = (message: string, code = "address_unresolved") =>
  fail(problem("invalid_request", { data: { url: { code, message } } }));
