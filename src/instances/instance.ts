import { DurableObject } from "cloudflare:workers";
import { modifiedAt } from "../backups/view.ts";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";
import { secureRandom } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { sealer } from "../base/seal.ts";
import type { Bindings } from "../bindings.ts";
import { readSettings, type Settings } from "../settings.ts";
import type { ListedBackup } from "../upstream/backups-api.ts";
import { administrationHandlers } from "./administration.ts";
import { Audit } from "./audit.ts";
import { backupHandlers } from "./backups.ts";
import type { Answer, Caller, Command } from "./commands.ts";
import { Configuration, type InstanceRequest, type InstanceView } from "./configuration.ts";
import type { Place } from "./directory.ts";
import { Door } from "./door.ts";
import { FLUSH_MS, KeyStore } from "./key-store.ts";
import { keyHandlers } from "./keys.ts";
import { Operations } from "./operations.ts";
import { Quotas } from "./quotas.ts";
import { instanceSteps, migrate, storedVersion } from "./schema.ts";
import { Server } from "./server.ts";
import { sessionHandlers } from "./sessions.ts";
import { endDownload, settleUpload, transferHandlers, type UploadEnd } from "./transfer-handlers.ts";
import { Transfers } from "./transfers.ts";

/** How often a running operation is looked after when nobody waits for it. */
const OPERATION_WATCH_MS = 2_000;

type Parts = {
  configuration: Configuration;
  server: Server;
  keys: KeyStore;
  audit: Audit;
  operations: Operations;
  transfers: Transfers;
  door: Door;
};

type Registering = { force: boolean; requestId: string; userAgent: string };

/**
 * One server and everything the relay keeps for it. Two entrances: `perform` for commands and `alarm` for what is due;
 * the object itself only builds its parts and hands them what they need.
 */
export class Instance extends DurableObject<Bindings> {
  private parts: Parts | null = null;
  private refusal: Problem | null = null;

  constructor(state: DurableObjectState, env: Bindings) {
    super(state, env);
    // An object that nobody registered makes no tables; somebody may only have guessed its name.
    if (storedVersion(state.storage.sql) !== null) this.open();
  }

  /** Every command of every caller. Never throws. */
  async perform(caller: Caller, command: Command): Promise<Answer> {
    if (!this.parts) return { result: fail(this.refusal ?? problem("unauthenticated")), rate: null };
    const answer = await this.parts.door.perform(caller, command);
    await this.arm();
    return answer;
  }

  /** The Worker tells how a download it opened has ended. No right is asked: what ended, ended. */
  async endDownload(transfer: string, bytes: number, outcome: string): Promise<void> {
    if (this.parts) endDownload(this.parts, transfer, bytes, outcome);
  }

  /** The Worker tells that an upload it reserved a name for is through, or why not; the list decides. */
  async settleUpload(end: UploadEnd): Promise<Result<ListedBackup, Problem>> {
    return this.parts ? settleUpload(this.parts, end) : fail(end.problem ?? problem("upload_interrupted"));
  }

  /** Makes the tables and the first check; unless forced, a server that fails it is not registered and nothing is kept. */
  async register(
    place: Place,
    request: InstanceRequest,
    how: Registering,
  ): Promise<Result<{ view: InstanceView; nudgeSecret: string }, Problem>> {
    const parts = this.open();
    if (!parts) return fail(this.refusal ?? problem("internal"));
    await parts.configuration.register(place, request, "api");
    const checked = await parts.server.check();
    const reason = checked.ok ? checked.value.refusal : checked.error;
    if (reason && !how.force) {
      await this.wipe();
      const { message, hint } = problems[reason.code];
      return fail(problem("check_failed", { message: reason.message ?? message, hint: reason.hint ?? hint }));
    }
    const caller: Caller = { credential: { kind: "admin" }, address: null, ...how };
    parts.audit.admit({ kind: "admin" }, "instance.register", request.name, caller);
    const secret = await parts.configuration.nudgeSecret();
    if (!secret.ok) return secret;
    return ok({ view: await this.view(parts), nudgeSecret: secret.value });
  }

  /** Makes the tables of the environment's instance; its credential stays in the environment. */
  async adopt(place: Place): Promise<void> {
    const { environmentInstance } = this.settings() ?? {};
    if (!environmentInstance) return;
    const parts = this.open();
    if (!parts) return;
    if (parts.configuration.stored) {
      parts.configuration.followEnvironment(environmentInstance.url, environmentInstance.credential);
      return;
    }
    const request = { name: place.name, ...environmentInstance, headers: {}, pollSeconds: 120, expect: null };
    await parts.configuration.register(place, request, "environment");
  }

  async registered(): Promise<boolean> {
    return this.parts?.configuration.stored != null;
  }

  /** For the administrator's list; null when the object is not (or no more) registered. */
  async describe(): Promise<InstanceView | null> {
    return this.parts?.configuration.stored ? this.view(this.parts) : null;
  }

  /** Wakes the object so that its alarm is armed again if the platform dropped it. */
  async poke(): Promise<void> {
    this.parts?.operations.resume();
    await this.arm();
  }

  /** Forgets everything. The live object refuses from here on. */
  async wipe(): Promise<void> {
    this.parts = null;
    this.refusal = null;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  override async alarm(): Promise<void> {
    if (!this.parts) return;
    await this.arm();
    try {
      this.parts.operations.resume();
      this.parts.keys.flush();
    } catch {
      console.error("an alarm could not do all that was due; it comes again");
    }
  }

  /** The next moment something is due, if anything is. */
  private async arm(): Promise<void> {
    if (!this.parts) return;
    const { operations, keys } = this.parts;
    const due = operations.active().length > 0 ? OPERATION_WATCH_MS : keys.unwritten ? FLUSH_MS : null;
    if (due === null) return;
    const armed = await this.ctx.storage.getAlarm();
    const at = systemClock() + due;
    if (armed === null || armed > at) await this.ctx.storage.setAlarm(at);
  }

  private settings(): Settings | null {
    const settings = readSettings(this.env);
    if (!settings.ok) this.refusal = settings.error;
    return settings.ok ? settings.value : null;
  }

  private open(): Parts | null {
    if (this.parts) return this.parts;
    const settings = this.settings();
    if (!settings) return null;
    const migrated = migrate(this.ctx.storage, instanceSteps);
    if (!migrated.ok) {
      this.refusal = migrated.error;
      return null;
    }
    this.parts = this.build(settings);
    this.parts.operations.resume();
    return this.parts;
  }

  private build(settings: Settings): Parts {
    const { sql } = this.ctx.storage;
    const [clock, random] = [systemClock, secureRandom];
    const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    const configuration = new Configuration(sql, sealer(settings.encryptionKeys, random), clock, random);
    const server = new Server(
      configuration,
      settings,
      (input, init) => fetch(input, init),
      clock,
      () => {},
    );
    const keys = new KeyStore(sql, clock);
    const quotas = new Quotas(sql);
    const audit = new Audit(sql, clock);
    const transfers = new Transfers(clock, random);
    const operations = new Operations(sql, {
      clock,
      random,
      sleep,
      detach: (run) => this.ctx.waitUntil(run),
      work: async () => {
        const connected = await server.connect();
        if (!connected.ok) return connected;
        const { session, snapshot } = connected.value;
        return ok({ api: session, look: () => snapshot.lookAnew() });
      },
      changed: async (operation) => {
        const connected = await server.connect();
        if (!connected.ok) return;
        if (operation.kind === "delete" && operation.state === "succeeded")
          connected.value.snapshot.forget(operation.target.key);
        else connected.value.snapshot.touch();
      },
    });
    const place = () => configuration.own;
    const door: Door = new Door(
      { configuration, keys, quotas, audit, transfers, clock },
      {
        ...backupHandlers({ server, operations, transfers, clock }),
        ...transferHandlers({ server, transfers, operations, audit }),
        ...sessionHandlers({ configuration, door: () => door }),
        ...keyHandlers({ store: keys, clock, random, place }),
        ...administrationHandlers({
          configuration,
          server,
          audit,
          door: () => door,
          view: () => this.view(this.parts!),
        }),
      },
    );
    return { configuration, server, keys, audit, operations, transfers, door };
  }

  private async view({ configuration, server }: Parts): Promise<InstanceView> {
    const connected = await server.connect();
    const newest = connected.ok ? connected.value.snapshot.newest() : null;
    const at = newest && modifiedAt(newest.modified);
    return configuration.view(
      newest && at !== null
        ? {
            key: newest.key,
            modified: newest.modified,
            ageSeconds: Math.max(0, Math.round((systemClock() - at) / 1000)),
          }
        : null,
    );
  }
}
