import { secureRandom } from "../../../src/base/random.ts";
import type { Net } from "../../../src/endpoints/attempt.ts";
import { Deadlines } from "../../../src/endpoints/deadlines.ts";
import { buildEndpoint, type EndpointParts } from "../../../src/endpoints/parts.ts";
import { endpointSteps } from "../../../src/endpoints/schema.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import type { DisableRequest, FeedEvent, PullAnswer, PullRequest } from "../../../src/webhooks/feed.ts";
import { Turns } from "../object-sqlite.ts";

/** Where a kill can be asked for. */
export type KillPoint =
  | "pull sent"
  | "pull answered"
  | "page being written"
  | "page written"
  | "request about to leave"
  | "receiver has it"
  | "answer arrived"
  | "result being written"
  | "result written"
  | "alarm, before it is armed again"
  | "alarm, after it was armed"
  | "secrets being written"
  | "retry being leased"
  | "retry leased"
  | "disabling told";

class Killed extends Error {}

/** Statements by how they begin, and the points before each and after it, when its turn is not committed yet. */
const WRITES: readonly [statement: string, before: KillPoint, after: KillPoint][] = [
  ["INSERT OR REPLACE INTO deliveries", "page being written", "page written"],
  ["UPDATE deliveries SET state = ?, due = 0, at", "result being written", "result written"],
  ["UPDATE deliveries SET state = ?, attempts = ? WHERE", "retry being leased", "retry leased"],
];

/** What a receiver does with one request. */
export type Reply = (id: string, count: number) => Response | Promise<Response> | null;

export const answers = (status: number, headers: Record<string, string> = {}) =>
  new Response(null, { status, headers });

/**
 * One endpoint on a real SQLite database, with an instance, a receiver, a clock and an alarm that the test owns, and a
 * process that can be killed at named points.
 */
export class EndpointWorld {
  now = 1_795_000_000_000;
  readonly turns = new Turns();
  readonly ledger: FeedEvent[] = [];
  /** Ids as the receiver got them, in order. */
  readonly received: string[] = [];
  readonly requests: { id: string; headers: Headers; body: string; at: number }[] = [];
  readonly pulls: PullRequest[] = [];
  inFlight = 0;
  mostInFlight = 0;
  /** How often the alarm was set: a row each. */
  alarms = 0;
  reply: Reply = () => answers(200);
  /** What the instance says of the endpoint. */
  state: "active" | "inactive" | "unknown" | "unavailable" = "active";
  activation = 1;
  hidden = new Set<number>();
  disabled: DisableRequest[] = [];
  alarm: number | null = null;
  parts: EndpointParts;
  forgotten = false;
  /** Called when the instance has answered a pull and the answer has not arrived yet. */
  onAnswer: () => void = () => undefined;
  /** As the settings of the next process say. */
  privateNetwork: "all" | "none" = "none";
  resolve: Net["resolve"] = null;
  private key = secureRandom(32);
  private process = { dead: false };
  private kills = new Map<KillPoint, number>();

  constructor() {
    migrate(this.turns.storage, endpointSteps);
    this.parts = this.build();
  }

  async create(options: { ratePerMinute?: number | null; url?: string } = {}): Promise<Uint8Array> {
    const { ratePerMinute = null, url = "https://hooks.example.com/in?token=0123456789" } = options;
    const settings = { instanceName: "acme", format: "standard", signatures: ["v1", "v1a"], ratePerMinute } as const;
    const secret = await this.parts.store.create(
      { ...settings, signatures: [...settings.signatures] },
      { url, headers: { authorization: "Bearer a-secret-of-the-owner" } },
      null,
    );
    await this.turns.gate();
    return secret;
  }

  /** Facts that the instance has committed. */
  append(count: number): void {
    for (let left = count; left > 0; left--) {
      const seq = this.ledger.length + 1;
      const id = `evt_${String(seq).padStart(6, "0")}`;
      const event = { id, seq, type: "backup.created", timestamp: "", instance: "acme", prev: "", data: {} };
      this.ledger.push({ seq, id, type: "backup.created", text: JSON.stringify(event) });
    }
  }

  notify(): void {
    this.guard(() => this.parts.dispatcher.notify(null, this.activation, Number.POSITIVE_INFINITY));
  }

  /** The process dies the next time (or the n-th time) it comes to this point. */
  killAt(point: KillPoint, time = 1): void {
    this.kills.set(point, time);
  }

  get dead(): boolean {
    return this.process.dead;
  }

  kill(): void {
    this.process.dead = true;
    this.turns.kill();
    this.inFlight = 0;
  }

  /** A new process on what was committed. */
  restart(): void {
    if (!this.process.dead) this.kill();
    this.process = { dead: false };
    this.parts = this.build();
  }

  /** Lets everything happen that needs no time, then fires alarms, for `ms` of the world's time. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.calm();
    while (!this.process.dead && this.alarm !== null && this.alarm <= end) {
      this.now = Math.max(this.now, this.alarm);
      this.ring();
      await this.calm();
    }
    this.now = Math.max(this.now, end);
  }

  /** As `Endpoint.alarm`. */
  ring(): void {
    this.alarm = null;
    this.guard(() => {
      const { dispatcher } = this.parts;
      this.reach("alarm, before it is armed again");
      const { due } = dispatcher;
      if (due !== null) this.arm(Math.max(due, this.now + 1_000));
      this.reach("alarm, after it was armed");
      dispatcher.wake(Number.POSITIVE_INFINITY);
    });
  }

  async calm(): Promise<void> {
    // Opening the secrets happens on a thread of its own, which a busy machine may keep waiting.
    await this.parts.store.unlock().catch(() => false);
    for (let quiet = 0, seen = -1; quiet < 6; ) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const signs = this.received.length + this.pulls.length + this.turns.rowsWritten;
      quiet = signs === seen ? quiet + 1 : 0;
      seen = signs;
    }
  }

  get lost(): string[] {
    const got = new Set(this.received);
    return this.ledger.map(({ id }) => id).filter((id) => !got.has(id));
  }

  /** How many requests came more often than once. */
  get twice(): number {
    return this.received.length - new Set(this.received).size;
  }

  private arm(at: number): void {
    if (this.process.dead) return;
    if (this.alarm !== null && this.alarm <= at) return;
    this.alarm = at;
    this.alarms++;
  }

  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }

  private reach(point: KillPoint): void {
    const left = this.kills.get(point);
    if (left === undefined) return;
    if (left > 1) {
      this.kills.set(point, left - 1);
      return;
    }
    this.kills.delete(point);
    this.kill();
    throw new Killed(point);
  }

  private build(): EndpointParts {
    const own = this.process;
    const forever = new Promise<never>(() => undefined);
    const alive = <T>(value: T): T | Promise<never> => (own.dead ? forever : value);
    const clock = () => this.now;
    const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.min(ms, 3)));
    this.turns.onWrite = (statement) => {
      if (own.dead) throw new Killed("dead");
      for (const [beginning, before] of WRITES) if (statement.startsWith(beginning)) this.reach(before);
      if (statement.includes("INTO sealed")) this.reach("secrets being written");
    };
    this.turns.onWritten = (statement) => {
      for (const [beginning, , after] of WRITES) if (statement.startsWith(beginning)) this.reach(after);
    };
    const pull = async (request: PullRequest): Promise<PullAnswer> => {
      await alive(this.turns.gate());
      this.reach("pull sent");
      this.pulls.push(request);
      const answer = this.answer(request);
      if (request.disabling) this.reach("disabling told");
      this.onAnswer();
      await alive(null);
      this.reach("pull answered");
      return answer;
    };
    const fetch = async (_url: string, init: RequestInit): Promise<Response> => {
      await alive(this.turns.gate());
      await alive(null);
      this.reach("request about to leave");
      const headers = new Headers(init.headers);
      const id = headers.get("webhook-id") ?? "";
      this.received.push(id);
      this.requests.push({ id, headers, body: String(init.body), at: this.now });
      this.inFlight++;
      this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
      this.reach("receiver has it");
      const reply = this.reply(id, this.received.filter((each) => each === id).length);
      const response = await (reply ?? hung(init.signal));
      await alive(null);
      this.inFlight--;
      this.reach("answer arrived");
      return response;
    };
    /** A killed process answers nobody: what throws `Killed` never comes back. */
    const mortal =
      <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
      (...args: A): Promise<R> =>
        work(...args).catch((error: unknown) => {
          if (error instanceof Killed) return forever;
          throw error;
        });
    return buildEndpoint({
      id: "wh_test",
      sql: this.turns.sql,
      encryptionKeys: [this.key],
      net: {
        fetch: mortal(fetch),
        reach: null,
        resolve: this.resolve,
        policy: { privateNetwork: this.privateNetwork, own: [], ports: [] },
        clock,
        deadlines: new Deadlines(clock, sleep),
      },
      pull: mortal(pull),
      clock,
      random: secureRandom,
      sleep,
      detach: (work) => void work.catch(() => undefined),
      arm: (at) => {
        if (!own.dead) this.arm(at);
      },
      forgotten: () => {
        this.forgotten = true;
      },
    });
  }

  private answer({ after, limit, refetch, disabling }: PullRequest): PullAnswer {
    if (disabling && disabling.activation === this.activation && this.state === "active") {
      this.disabled.push(disabling);
      this.state = "inactive";
    }
    if (this.state === "unknown" || this.state === "unavailable") return { state: this.state };
    if (this.state === "inactive") return { state: "inactive", activation: this.activation };
    const allowed = this.ledger.filter(({ seq }) => !this.hidden.has(seq));
    const events = allowed.filter(({ seq }) => seq > after).slice(0, limit);
    const nextAfter = limit === 0 ? after : (events.at(-1)?.seq ?? Math.max(after, this.ledger.length));
    const page = { after, events, nextAfter, head: this.ledger.length };
    return {
      state: "active",
      activation: this.activation,
      page,
      refetched: allowed.filter((e) => refetch.includes(e.seq)),
    };
  }
}

const hung = (signal: AbortSignal | null | undefined): Promise<never> =>
  new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
