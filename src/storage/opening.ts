import type { Problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";
import { type Migration, migrate, storedVersion } from "./migrate.ts";

type OpeningOf<S> = {
  storage: DurableObjectStorage;
  steps: readonly Migration[];
  /** What the object must know before its tables are touched: mostly `() => readSettings(env)`. */
  settings: () => Result<S, Problem>;
};

/**
 * How an object comes to its parts: settings read, tables migrated, parts built, once. What is in the way becomes its
 * refusal, which every call answers, so that nothing throws. A new kind of object is this, an alarm and its methods:
 *
 *     export class Connection extends DurableObject<Bindings> {
 *       private readonly alarmClock = new ObjectAlarm(this.ctx.storage, systemClock);
 *       private readonly opening = new Opening<Settings, Parts>({
 *         storage: this.ctx.storage,
 *         steps: connectionSteps,
 *         settings: () => readSettings(this.env),
 *       });
 *
 *       constructor(state: DurableObjectState, env: Bindings) {
 *         super(state, env);
 *         if (this.opening.hasTables) this.open();
 *       }
 *
 *       async send(message: Message): Promise<Result<null, Problem>> {
 *         const parts = this.opening.parts;
 *         return parts ? parts.send(message) : fail(this.opening.refusal ?? problem("connection_not_found"));
 *       }
 *
 *       override async alarm(): Promise<void> {
 *         const duties = this.opening.parts?.duties;
 *         this.alarmClock.ring(() => {
 *           duties?.run(systemClock());
 *           return duties?.due(systemClock()) ?? Number.POSITIVE_INFINITY;
 *         });
 *       }
 *
 *       private open(): Parts | null {
 *         return this.opening.open((settings) => buildConnection({ settings, storage: this.ctx.storage }));
 *       }
 *     }
 */
export class Opening<S, P> {
  private readonly of: OpeningOf<S>;
  private built: P | null = null;
  private reason: Problem | null = null;

  constructor(of: OpeningOf<S>) {
    this.of = of;
  }

  /** Null while the object was never set up, refuses, or was closed. */
  get parts(): P | null {
    return this.built;
  }

  /** Why the object has no parts; null when nothing is in the way. */
  get refusal(): Problem | null {
    return this.reason;
  }

  /** An object without tables was never set up: somebody may only have guessed its name, so it makes none by itself. */
  get hasTables(): boolean {
    return storedVersion(this.of.storage.sql) !== null;
  }

  /** Null: `refusal` says why. */
  settings(): S | null {
    const settings = this.of.settings();
    if (!settings.ok) this.reason = settings.error;
    return settings.ok ? settings.value : null;
  }

  /** Makes or migrates the tables, then builds the parts, unless they are there. Null: `refusal` says why. */
  open(build: (settings: S) => P): P | null {
    if (this.built) return this.built;
    const settings = this.settings();
    if (settings === null) return null;
    const migrated = migrate(this.of.storage, this.of.steps);
    if (migrated.ok) this.built = build(settings);
    else this.reason = migrated.error;
    return this.built;
  }

  /** The object was removed: it has no parts and no refusal any more. */
  close(): void {
    this.built = null;
    this.reason = null;
  }
}
