import { connect } from "cloudflare:sockets";
import { DurableObject } from "cloudflare:workers";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";
import { secureRandom } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { systemSleep } from "../base/sleep.ts";
import { type Bindings, onPlainWorkerd } from "../bindings.ts";
import { endpointOf } from "../endpoints/stub.ts";
import { reach } from "../http/reach.ts";
import { readSettings, type Settings } from "../settings.ts";
import { ObjectAlarm } from "../storage/alarm.ts";
import { Opening } from "../storage/opening.ts";
import { isOutOfRoom, readOnly } from "../storage/room.ts";
import type { ListedBackup } from "../upstream/backups-api.ts";
import type { PullAnswer, PullRequest } from "../webhooks/feed.ts";
import type { Caller } from "./caller.ts";
import { type Command, type CommandAnswer, onlyReads } from "./commands.ts";
import { buildParts, type Parts, type Platform } from "./parts.ts";
import { forgetRights, instanceSteps } from "./schema.ts";
import type { InstanceRequest, Place } from "./server/record.ts";
import { DEFAULT_POLL_SECONDS } from "./server/store.ts";
import type { InstanceView } from "./server/view.ts";
import { endDownload, type SettledUpload, settleUpload } from "./transfers/commands.ts";
import type { EndpointObject } from "./webhooks/commands.ts";

type Registering = { force: boolean; requestId: string; userAgent: string; administrator: string | null };

/**
 * One server and everything the relay keeps for it. Two entrances: `perform` for commands and `alarm` for what is due;
 * the object itself only builds its parts and hands them what they need.
 */
export class Instance extends DurableObject<Bindings> {
  private readonly objectAlarm = new ObjectAlarm(this.ctx.storage, systemClock);
  private readonly opening = new Opening<Settings, Parts>({
    storage: this.ctx.storage,
    steps: instanceSteps,
    settings: () => readSettings(this.env),
  });

  /** For reads while the disk is full; null as soon as anything may have been written by the real ones. */
  private writingNothing: Parts | null = null;

  constructor(state: DurableObjectState, env: Bindings) {
    super(state, env);
    if (this.opening.hasTables) this.open();
  }

  private get parts(): Parts | null {
    return this.opening.parts;
  }

  /** A command that only reads, while there is no room to write: nothing of it is kept. Never throws. */
  async read(caller: Caller, command: Command): Promise<CommandAnswer> {
    if (!this.parts) return this.closed();
    if (!onlyReads(command)) return { result: fail(problem("storage_full")), limits: [] };
    const settings = this.opening.settings();
    if (settings === null) return this.closed();
    this.writingNothing ??= buildParts({
      ...this.platform(settings),
      storage: readOnly(this.ctx.storage),
      writesNothing: true,
      wake: () => undefined,
      settled: () => undefined,
    });
    try {
      return await this.writingNothing.door.perform(caller, command);
    } catch (error) {
      console.error(`${command.do}: ${error instanceof Error ? error.name : "unknown error"}`);
      return { result: fail(problem("storage_full")), limits: [] };
    }
  }

  /** Every command of every caller. Never throws. */
  async perform(caller: Caller, command: Command): Promise<CommandAnswer> {
    if (!this.parts) return this.closed();
    this.writingNothing = null;
    try {
      const answer = await this.parts.door.perform(caller, command);
      await this.arm();
      return answer;
    } catch (error) {
      // The instance was removed while the command ran; anything else is a fault of ours.
      if (!this.parts) return this.closed();
      if (isOutOfRoom(error)) return { result: fail(problem("storage_full")), limits: [] };
      console.error(`${command.do}: ${error instanceof Error ? error.name : "unknown error"}`);
      return { result: fail(problem("internal")), limits: [] };
    }
  }

  private closed(): CommandAnswer {
    return { result: fail(this.opening.refusal ?? problem("unauthenticated")), limits: [] };
  }

  /** The Worker reports how a download ended. No right is checked: the download was admitted when it was opened. */
  async endDownload(transfer: string, bytes: number, outcome: string): Promise<void> {
    if (this.parts) endDownload(this.parts, transfer, bytes, outcome);
  }

  /** The Worker reports that an upload was sent, or why not. Whether the backup is there is decided by the list. */
  async settleUpload(end: SettledUpload): Promise<Result<ListedBackup, Problem>> {
    return this.parts ? settleUpload(this.parts, end) : fail(end.problem ?? problem("upload_interrupted"));
  }

  /** A signed hint to look now. False when it is not genuine, too old or known already. */
  async nudge(body: string, signature: string): Promise<boolean> {
    const secret = await this.parts?.configuration.nudgeSecret();
    if (!this.parts || !secret?.ok) return false;
    const accepted = this.parts.nudges.accept(secret.value, body, signature);
    if (!accepted) return false;
    this.parts.looks.nudge();
    await this.arm();
    return true;
  }

  /** Makes the tables and the first check; unless forced, a server that fails it is not registered and nothing is kept. */
  async register(
    place: Place,
    request: InstanceRequest,
    how: Registering,
  ): Promise<Result<{ view: InstanceView; nudgeSecret: string }, Problem>> {
    const parts = this.open();
    if (!parts) return fail(this.opening.refusal ?? problem("internal"));
    await parts.configuration.register(place, request, "api");
    const checked = await parts.server.check();
    const reason = checked.ok ? checked.value.refusal : checked.error;
    if (reason && !how.force) {
      await this.wipe();
      const { message, hint } = problems[reason.code];
      return fail(problem("check_failed", { message: reason.message ?? message, hint: reason.hint ?? hint }));
    }
    const actor = { kind: "admin" as const, ...(how.administrator ? { name: how.administrator } : {}) };
    const caller: Caller = { credential: actor, address: null, requestId: how.requestId, userAgent: how.userAgent };
    parts.audit.admit(actor, "instance.register", request.name, caller);
    const secret = await parts.configuration.nudgeSecret();
    if (!secret.ok) return secret;
    await this.arm();
    return ok({ view: await parts.view(), nudgeSecret: secret.value });
  }

  /** Makes the tables of the environment's instance; its credential stays in the environment. */
  async adopt(place: Place): Promise<void> {
    const { environmentInstance } = this.opening.settings() ?? {};
    if (!environmentInstance) return;
    const parts = this.open();
    if (!parts) return;
    if (parts.configuration.stored) {
      await parts.configuration.followEnvironment(environmentInstance.url, environmentInstance.credential);
      parts.server.reset();
      await this.arm();
      return;
    }
    const request = {
      name: place.name,
      ...environmentInstance,
      headers: {},
      pollSeconds: DEFAULT_POLL_SECONDS,
      expect: null,
      verify: true,
    };
    await parts.configuration.register(place, request, "environment");
    await this.arm();
  }

  async registered(): Promise<boolean> {
    return this.parts?.configuration.stored != null;
  }

  /** For the administrator's list; null when the object is not (or no more) registered. */
  async describe(): Promise<InstanceView | null> {
    return this.parts?.configuration.stored ? this.parts.view() : null;
  }

  /** A webhook endpoint asks what it has to send. */
  async pull(endpoint: string, request: PullRequest): Promise<PullAnswer> {
    if (this.parts) return this.parts.webhooks.endpoints.pull(endpoint, request);
    if (this.opening.refusal) return { state: "unavailable" };
    return { state: "unknown" };
  }

  /** The watchdog's call: sets the alarm again if the platform dropped it, and has the endpoints' alarms looked after. */
  async poke(): Promise<void> {
    if (!this.parts?.configuration.stored) return;
    this.writingNothing = null;
    this.parts.webhooks.round.request();
    // What is due runs here: an alarm for it would cost two rows at every call, and most calls find nothing to do.
    this.parts.duties.run(systemClock());
    await this.arm();
  }

  /** Deletes everything, the endpoints first. From its beginning on every call is refused, also after a kill in between. */
  async wipe(): Promise<void> {
    const { endpoints } = this.parts?.webhooks ?? {};
    this.parts?.operations.close();
    this.writingNothing = null;
    this.opening.close();
    this.ctx.storage.transactionSync(() => {
      endpoints?.markAllDeleting();
      if (this.opening.hasTables) forgetRights(this.ctx.storage.sql);
    });
    for (const { id } of endpoints?.all() ?? []) await endpointOf(this.env, id).wipe();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  override async alarm(): Promise<void> {
    if (!this.parts?.configuration.stored) return;
    const { duties } = this.parts;
    this.writingNothing = null;
    this.objectAlarm.ring(() => {
      duties.run(systemClock());
      return duties.due(systemClock());
    });
  }

  /** Brings the alarm forward when something is due earlier. */
  private async arm(): Promise<void> {
    if (this.parts?.configuration.stored) await this.objectAlarm.bringForward(this.parts.duties.due(systemClock()));
  }

  private open(): Parts | null {
    if (this.parts) return this.parts;
    const parts = this.opening.open((settings) => buildParts(this.platform(settings)));
    parts?.operations.resume();
    return parts;
  }

  private platform(settings: Settings): Platform {
    return {
      storage: this.ctx.storage,
      settings,
      clock: systemClock,
      random: secureRandom,
      fetch: (input, init) => fetch(input, init),
      reach: onPlainWorkerd(this.env) ? (host, port) => reach({ connect }, host, port) : null,
      sleep: systemSleep,
      detach: (work) => this.ctx.waitUntil(work),
      endpoint: (id) => endpointOf(this.env, id) as unknown as EndpointObject,
      wake: (at) => this.objectAlarm.set(at),
      settled: () => this.ctx.waitUntil(this.arm()),
    };
  }
}
