/// <reference types="@cloudflare/vitest-plugin/types" />
import { env, runInDurableObject } from "cloudflare:test";
import type { ApiKey } from "../../src/access/key.ts";
import { secureRandom } from "../../src/base/random.ts";
import type { Bindings } from "../../src/bindings.ts";
import type { Reach } from "../../src/http/reach.ts";
import type { Caller } from "../../src/instances/caller.ts";
import type { Command, CommandName, Output } from "../../src/instances/commands.ts";
import { buildParts, type Parts, type Platform } from "../../src/instances/parts.ts";
import { instanceSteps } from "../../src/instances/schema.ts";
import type { InstanceRequest } from "../../src/instances/server/record.ts";
import type { OperationKinds } from "../../src/operations/kind.ts";
import { isFinal, type Operation } from "../../src/operations/operation.ts";
import { isRestore, type RestoreData } from "../../src/operations/restore-data.ts";
import { readSettings } from "../../src/settings.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { type CallName, callOf } from "./fake/calls.ts";
import { type FakeOptions, FakeUpstream } from "./fake/upstream.ts";
import { aKey } from "./key.ts";

export const T0 = Date.UTC(2026, 10, 23, 12);

export type Event = { seq: number; type: string; data: Record<string, unknown> & { backup?: { key: string } } };

/** One instance with its real parts and tables, a faulty server in memory, and time that only the test moves. */
export type Stage = {
  fake: FakeUpstream;
  time: { now: number };
  parts: Parts;
  storage: DurableObjectStorage;
  /** A command of the administrator, or of a key. Throws the problem's code when it is refused. */
  ask<N extends CommandName>(command: Command<N>, as?: ApiKey): Promise<Output<N>>;
  /** The code of the refusal; "admitted" when there is none. */
  refusal(command: Command, as?: ApiKey): Promise<string>;
  /** The way out that the refusal names; "admitted" when there is none. */
  hint(command: Command, as?: ApiKey): Promise<string>;
  key(differences?: Partial<ApiKey>): ApiKey;
  /** Lets time pass; the alarm rings when it is due. */
  pass(ms: number): Promise<void>;
  /** Lets go on what waits for nothing but its turn, until the operation has recorded a step of that name. */
  reached(operation: Operation, step: string): Promise<void>;
  /** Lets time pass until the operation has ended, and some more until what it did was seen. */
  ended(operation: Operation): Promise<Operation>;
  events(): Event[];
  /** Types of all events, with the key of the backup where there is one. */
  told(): string[];
  /** Holds the next call of that name before it reaches the server; resolves when it is there, with what lets it go. */
  hold(call: CallName): Promise<() => void>;
  /** How often the server was asked for a call. */
  calls(call: string): number;
};

export type StageOptions = Partial<FakeOptions> & {
  instance?: Partial<InstanceRequest>;
  seen?: boolean;
  kinds?: OperationKinds;
  /** What became of a try to connect to the server. */
  reach?: Reach | null;
};

const asked = { waitSeconds: 0, surface: "v1" as const, idempotency: null };
export const create = (name: string) => ({ do: "backups.create" as const, ...asked, name, unreadable: null });
export const remove = (key: string) => ({ do: "backups.delete" as const, ...asked, key });
export const restore = (key: string, safetyBackup = true) => ({
  do: "backups.restore" as const,
  ...asked,
  key,
  safetyBackup,
});

/** What a restore remembers. */
export function restoreData(operation: Operation): RestoreData {
  if (!isRestore(operation)) throw new Error(`${operation.id} is no restore`);
  return operation.data;
}

const callerOf = (key?: ApiKey): Caller => ({
  credential: key ? { kind: "key", keyId: key.id, digest: key.digest! } : { kind: "admin" },
  address: "203.0.113.9",
  userAgent: "test",
  requestId: "request",
});

export async function onStage<T>(options: StageOptions, play: (stage: Stage) => Promise<T>): Promise<T> {
  const bindings = env as unknown as Bindings;
  const stub = bindings.INSTANCE.getByName(crypto.randomUUID());
  return runInDurableObject(stub, async (_object, state) => {
    migrate(state.storage, instanceSteps);
    const stage = await build(state.storage, bindings, options);
    return play(stage);
  });
}

async function build(
  storage: DurableObjectStorage,
  bindings: Bindings,
  { instance, seen = true, kinds, reach = null, ...server }: StageOptions,
): Promise<Stage> {
  const settings = readSettings(bindings);
  if (!settings.ok) throw new Error(settings.error.message);
  const time = { now: T0 };
  const clock = () => time.now;
  const works = new Set<Promise<unknown>>();
  const ring = () => {
    if (parts.duties.due(time.now) <= time.now) parts.duties.run(time.now);
  };
  const sleep = async (ms: number) => {
    const end = time.now + ms;
    await tick();
    time.now = Math.max(time.now, end);
    ring();
  };
  const fake = new FakeUpstream({ clock, sleep, ...server });
  let held: { call: CallName; reached: (release: () => void) => void } | null = null;
  const platform = {
    storage,
    settings: settings.value,
    clock,
    random: secureRandom,
    async fetch(url: string, init: RequestInit) {
      const path = new URL(url).pathname;
      if (held && callOf(init.method ?? "GET", path) === held.call) {
        const { reached } = held;
        held = null;
        await new Promise<void>(reached);
      }
      return fake.fetch(url, init);
    },
    reach,
    sleep,
    detach(work: Promise<unknown>) {
      works.add(work);
      void work.catch(() => undefined).finally(() => works.delete(work));
    },
    endpoint: () => {
      throw new Error("no endpoint here");
    },
    wake() {},
    settled() {},
  };
  const parts = buildParts(platform as unknown as Platform, kinds);
  await parts.configuration.register(
    { id: "abcdefgh", tag: "abcdef" },
    {
      name: "demo",
      url: "http://127.0.0.1:8090",
      credential: { kind: "password", email: fake.email, password: fake.password },
      headers: {},
      pollSeconds: 120,
      expect: null,
      verify: true,
      ...instance,
    },
    "api",
  );

  /** Until nothing is under way that does not wait for time to pass. */
  const settle = async () => {
    while (works.size > 0) await Promise.race([Promise.allSettled(works), tick()]);
  };
  const pass = async (ms: number) => {
    const end = time.now + ms;
    for (;;) {
      await settle();
      const due = parts.duties.due(time.now);
      if (due > end) break;
      time.now = Math.max(time.now, due);
      parts.duties.run(time.now);
    }
    time.now = Math.max(time.now, end);
  };
  const perform = (command: Command, as?: ApiKey) => parts.door.perform(callerOf(as), command);
  const events = () =>
    parts.ledger.read(0, 1_000, ["*"], { everything: true }).texts.map((text): Event => JSON.parse(text));
  if (seen) await pass(1_000);
  return {
    fake,
    time,
    parts,
    storage,
    async ask(command, as) {
      const { result } = await perform(command as Command, as);
      if (!result.ok) throw new Error(result.error.code);
      return result.value as never;
    },
    async refusal(command, as) {
      const { result } = await perform(command, as);
      return result.ok ? "admitted" : result.error.code;
    },
    async hint(command, as) {
      const { result } = await perform(command, as);
      return result.ok ? "admitted" : (result.error.hint ?? "");
    },
    key(differences) {
      const key = aKey(differences);
      parts.keys.insert(key);
      return key;
    },
    pass,
    async reached({ id }, step) {
      while (parts.operations.rows.read(id)!.steps.every(({ name }) => name !== step)) await tick();
    },
    async ended({ id }) {
      while (!isFinal(parts.operations.rows.read(id)!)) await tick();
      await pass(15_000);
      return parts.operations.rows.read(id)!;
    },
    hold: (call) =>
      new Promise((reached) => {
        held = { call, reached };
      }),
    events,
    told: () => events().map(({ type, data }) => (data.backup ? `${type} ${data.backup.key}` : type)),
    calls: (call) => fake.requests.filter((request) => request.call === call).length,
  };
}

/** Lets everything go on that waits for nothing but its turn. */
export const tick = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
