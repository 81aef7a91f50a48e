import { DurableObject } from "cloudflare:workers";
import { instanceTag } from "../access/token.ts";
import { isoTime, isWithin, systemClock } from "../base/clock.ts";
import { fromHex, hex } from "../base/encoding.ts";
import type { Page, PageRequest } from "../base/page.ts";
import { type Problem, problem } from "../base/problem.ts";
import { randomBase62, secureRandom } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Bindings } from "../bindings.ts";
import type { Place } from "../instances/server/record.ts";
import { instanceOf } from "../instances/stub.ts";
import { readSettings } from "../settings.ts";
import { ObjectAlarm } from "../storage/alarm.ts";
import { Opening } from "../storage/opening.ts";
import { type Removal, Removals } from "./removals.ts";
import { groupOf, turnOf } from "./rounds.ts";
import { directorySteps } from "./schema.ts";

/** Who asked for a removal. */
type RemovedBy = Pick<Removal, "actor" | "address" | "userAgent" | "requestId">;

type Row = { name: string; id: string; state: "pending" | "active" | "deleting"; since: number };

/** The name of the instance that comes from the environment. */
export const ENVIRONMENT_NAME = "default";
/** How long a registration or a removal may be on its way before the watchdog finishes it. */
const STALLED_MS = 120_000;
/** How often the watchdog makes its round. */
const ROUND_MS = 60_000;

/**
 * The one object that knows which instances there are. It hands out ids and names, finishes registrations and removals
 * that were interrupted, and is on no request's path once an isolate has read the tag key.
 */
export class Directory extends DurableObject<Bindings> {
  private readonly objectAlarm = new ObjectAlarm(this.ctx.storage, systemClock);
  private readonly opening = new Opening<true, SqlStorage>({
    storage: this.ctx.storage,
    steps: directorySteps,
    settings: () => ok(true),
  });
  /** When instances were last woken; null since this object woke. */
  private lastRound: number | null = null;
  /** Whether the environment's instance was given its place since this object woke. */
  private adopted = false;

  constructor(state: DurableObjectState, env: Bindings) {
    super(state, env);
    this.opening.open(() => state.storage.sql);
  }

  /** Why nothing can be answered; null when the tables are there. */
  private get refused(): { ok: false; error: Problem } | null {
    return this.opening.parts ? null : fail(this.opening.refusal ?? problem("internal"));
  }

  /** Only to be used when `refused` is null. */
  private get sql(): SqlStorage {
    return this.ctx.storage.sql;
  }

  /**
   * 32 random bytes (hex), made once: instance and endpoint ids carry a tag under it, so made-up ids open no object. Each
   * isolate asks once, and has a watchdog woken whose alarm was dropped, or set by a clock that ran ahead.
   */
  async tagKey(): Promise<Result<string, Problem>> {
    if (this.refused) return this.refused;
    await this.watch();
    return ok(this.storedTagKey());
  }

  private storedTagKey(): string {
    const stored = this.sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'tagKey'").toArray()[0];
    if (stored) return stored.value;
    const made = hex(secureRandom(32));
    this.sql.exec("INSERT INTO meta (name, value) VALUES ('tagKey', ?)", made);
    return made;
  }

  /** First step of a registration: takes the name. 409 `name_taken` when it is in use, also by a removal under way. */
  async begin(name: string): Promise<Result<Place, Problem>> {
    if (this.refused) return this.refused;
    if (this.row(name)) return fail(problem("name_taken"));
    const id = randomBase62(secureRandom, 8);
    this.write({ name, id, state: "pending", since: systemClock() });
    await this.watch();
    return ok(this.place({ name, id }));
  }

  /** The registration's last step. */
  activate(name: string): void {
    if (this.refused) return;
    this.sql.exec("UPDATE instances SET state = 'active', since = ? WHERE name = ?", systemClock(), name);
  }

  /** Takes a registration back that was refused. */
  abandon(name: string): void {
    if (this.refused) return;
    this.sql.exec("DELETE FROM instances WHERE name = ? AND state = 'pending'", name);
  }

  /** Null when there is no such living instance. */
  find(name: string): Result<Place | null, Problem> {
    if (this.refused) return this.refused;
    const row = this.row(name);
    return ok(row?.state === "active" ? this.place(row) : null);
  }

  /** The only living instance, so that an administrator need not name it; null when there are none or several. */
  only(): Result<Place | null, Problem> {
    if (this.refused) return this.refused;
    const rows = this.sql.exec<Row>("SELECT * FROM instances WHERE state = 'active' LIMIT 2").toArray();
    return ok(rows.length === 1 ? this.place(rows[0]!) : null);
  }

  /** By name; the cursor is the last name given out. */
  list(limit: number, after: string | null): Result<Page<Place>, Problem> {
    if (this.refused) return this.refused;
    const rows = this.sql
      .exec<Row>(
        "SELECT * FROM instances WHERE state = 'active' AND name > ? ORDER BY name LIMIT ?",
        after ?? "",
        limit + 1,
      )
      .toArray();
    const shown = rows.slice(0, limit);
    return ok({
      items: shown.map((row) => this.place(row)),
      nextCursor: rows.length > limit ? shown.at(-1)!.name : null,
    });
  }

  /** The environment's instance gets its row here; the credential is never written. */
  async ensureEnvironment(): Promise<Result<Place, Problem>> {
    if (this.refused) return this.refused;
    let row = this.row(ENVIRONMENT_NAME);
    if (!row) {
      row = { name: ENVIRONMENT_NAME, id: randomBase62(secureRandom, 8), state: "active", since: systemClock() };
      this.write(row);
    }
    const place = this.place(row);
    if (!this.adopted) {
      await instanceOf(this.env, row.id).adopt(place);
      this.adopted = true;
      await this.watch();
    }
    return ok(place);
  }

  /** Who removed which instance, newest first. */
  removals(request: PageRequest): Result<Page<Removal>, Problem> {
    return this.refused ?? ok(new Removals(this.sql).list(request));
  }

  /** Removal: marks the row, has the object wipe itself, then forgets the name. After a kill the watchdog finishes it. */
  async remove(name: string, by: RemovedBy): Promise<Result<null, Problem>> {
    if (this.refused) return this.refused;
    const row = this.row(name);
    if (row?.state !== "active") return fail(problem("instance_not_found"));
    const leaving: Row = { ...row, state: "deleting", since: systemClock() };
    this.ctx.storage.transactionSync(() => {
      this.write(leaving);
      new Removals(this.sql).record({ at: isoTime(leaving.since), instance: name, id: row.id, ...by });
    });
    await this.watch();
    await this.finishRemoval(leaving);
    return ok(null);
  }

  /**
   * Finishes what was interrupted and wakes the instances whose turn it is, spread by id; the first round after this
   * object woke wakes them all. Called by the cron trigger and by the object's own alarm, whichever a home has.
   */
  async reconcileAll(): Promise<void> {
    if (this.refused) return;
    const settings = readSettings(this.env);
    if (settings.ok && settings.value.environmentInstance) await this.ensureEnvironment();
    await this.watch();
    const at = systemClock();
    const wakes = turnOf(at, this.lastRound);
    if (wakes.length > 0) this.lastRound = at;
    for (const row of this.sql.exec<Row>("SELECT * FROM instances").toArray()) {
      if (row.state === "active" && !wakes.includes(groupOf(row.id))) continue;
      try {
        await this.reconcile(row);
      } catch {
        // One that fails must not keep the others waiting.
        console.error(`the watchdog could not reach the instance ${row.name}; it tries again within five minutes`);
      }
    }
  }

  private async reconcile(row: Row): Promise<void> {
    const object = instanceOf(this.env, row.id);
    if (row.state === "active") return object.poke();
    if (isWithin(row.since, STALLED_MS, systemClock())) return;
    if (row.state === "deleting") return this.finishRemoval(row);
    if (await object.registered()) return this.activate(row.name);
    await object.wipe();
    this.abandon(row.name);
  }

  private async finishRemoval({ id, name }: Row): Promise<void> {
    await instanceOf(this.env, id).wipe();
    // By id too: the name may belong to another instance by now.
    this.sql.exec("DELETE FROM instances WHERE name = ? AND id = ?", name, id);
  }

  override async alarm(): Promise<void> {
    this.objectAlarm.ring(() => systemClock() + ROUND_MS);
    try {
      await this.reconcileAll();
    } catch {
      console.error("the watchdog could not finish its round; it starts again in a minute");
    }
  }

  /** The next round's alarm, also after the platform dropped it. */
  private watch(): Promise<void> {
    return this.objectAlarm.bringForward(systemClock() + ROUND_MS);
  }

  private row(name: string): Row | undefined {
    return this.sql.exec<Row>("SELECT * FROM instances WHERE name = ?", name).toArray()[0];
  }

  private write(row: Row): void {
    this.sql.exec(
      "INSERT OR REPLACE INTO instances (name, id, state, since) VALUES (?, ?, ?, ?)",
      row.name,
      row.id,
      row.state,
      row.since,
    );
  }

  private place(row: { name: string; id: string }): Place {
    return { id: row.id, name: row.name, tag: instanceTag(fromHex(this.storedTagKey())!, row.id) };
  }
}
