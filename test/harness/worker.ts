/// <reference types="@cloudflare/vitest-plugin/types" />
import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { vi } from "vitest";
import type { Bindings } from "../../src/bindings.ts";
import type { Directory } from "../../src/directory/directory.ts";
import { directoryOf } from "../../src/directory/stub.ts";
import type { Instance } from "../../src/instances/instance.ts";
import { instanceOf } from "../../src/instances/stub.ts";
import { type FakeOptions, FakeUpstream } from "./fake/upstream.ts";
import { everyBackupScope } from "./key.ts";

/*
 * The Worker and its real Durable Objects inside the test's own isolate, in front of fakes that need no network: every
 * server of a test has an address of its own, by which the outgoing `fetch` finds it.
 */

export const bindings = env as unknown as Bindings;
const worker = (exports as unknown as { default: Fetcher }).default;

const realNow = Date.now.bind(Date);
let ahead = 0;
Date.now = () => realNow() + ahead;

/** The one clock of relay and fakes. It goes on from wherever a test sets it. */
export const clock = {
  set(at: number): void {
    ahead = at - realNow();
  },
  forward(ms: number): void {
    ahead += ms;
  },
  reset(): void {
    ahead = 0;
  },
};

const servers = new Map<string, FakeUpstream>();
let made = 0;

vi.stubGlobal("fetch", async (input: string | Request, init?: RequestInit) => {
  const url = typeof input === "string" ? input : input.url;
  const fake = servers.get(new URL(url).origin);
  if (!fake) throw new TypeError("Network connection lost.");
  return fake.fetch(input, init);
});

export type TestServer = { url: string; fake: FakeUpstream };

/** A server at an address that no other test has. */
export function aServer(options: FakeOptions = {}): TestServer {
  const url = `https://pb-${++made}.example.com`;
  const fake = new FakeUpstream(options);
  servers.set(url, fake);
  return { url: `${url}${options.prefix ?? ""}`, fake };
}

export type Call = {
  method?: string;
  /** Sent as JSON; makes the call a POST. */
  body?: unknown;
  /** An API key, session or token; null for none. Without: the administrator's. */
  as?: string | null;
  headers?: Record<string, string>;
  instance?: string;
  /** Where the caller comes from; null when the platform does not tell. */
  address?: string | null;
};

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into field by field
export type Answer = { status: number; headers: Headers; text: string; json: any };

/** One request to the relay, with its whole answer. */
export async function call(path: string, request: Call = {}): Promise<Answer> {
  const { body, as = bindings.ADMIN_TOKEN, instance, address = "198.51.100.1" } = request;
  const answer = await worker.fetch(`https://relay.example.com${path}`, {
    method: request.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(as ? { authorization: as } : {}),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(instance === undefined ? {} : { "relay-instance": instance }),
      ...(address === null ? {} : { "cf-connecting-ip": address }),
      ...request.headers,
    },
    body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = new TextDecoder().decode(await answer.arrayBuffer());
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return { status: answer.status, headers: answer.headers, text, json };
}

export type TestInstance = TestServer & {
  id: string;
  name: string;
  readonly stub: DurableObjectStub<Instance>;
  /** Ends the object without a word, as a kill does; the next call finds a new one over the same storage. */
  kill(): Promise<void>;
  /** The 201 it was registered with. */
  registered: Answer["json"];
  /** The administrator asking this instance. */
  admin(path: string, request?: Call): Promise<Answer>;
  /** A key of it; with `as` one below that key. Everything the preset or scopes say, `backups:` scopes without. */
  mint(request?: Record<string, unknown>, as?: string): Promise<{ id: string; key: string }>;
};

/** A registered instance of its own. */
export async function anInstance(options: FakeOptions = {}, more: Record<string, unknown> = {}): Promise<TestInstance> {
  const server = aServer(options);
  const name = `instance-${made}`;
  const { email, password } = server.fake;
  const answer = await call("/v1/instances", {
    body: { name, url: server.url, credential: { email, password }, ...more },
  });
  if (answer.status !== 201) throw new Error(`registering: ${answer.text}`);
  const { id } = answer.json;
  return {
    ...server,
    id,
    name,
    // Asked for each time: a stub does not outlive its object.
    get stub() {
      return instanceOf(bindings, id);
    },
    async kill() {
      await runInDurableObject(instanceOf(bindings, id), (_object, state) => state.abort("killed")).catch(
        () => undefined,
      );
    },
    registered: answer.json,
    admin: (path, request = {}) => call(path, { instance: name, ...request }),
    async mint(request = {}, as) {
      const rights = request.preset || request.scopes ? {} : { scopes: everyBackupScope };
      const minted = await call("/v1/keys", {
        body: { name: "test", ...rights, ...request },
        ...(as ? { as } : { instance: name }),
      });
      if (minted.status !== 201) throw new Error(`minting: ${minted.text}`);
      return minted.json;
    },
  };
}

export const directory = (): DurableObjectStub<Directory> => directoryOf(bindings);

/** Rows of an object's own storage, read behind its back. */
export function rows<T extends Record<string, SqlStorageValue>>(
  stub: DurableObjectStub<Instance> | DurableObjectStub<Directory>,
  query: string,
  ...values: SqlStorageValue[]
): Promise<T[]> {
  return runInDurableObject(stub as DurableObjectStub<Instance>, (_object, state) =>
    state.storage.sql.exec<T>(query, ...values).toArray(),
  );
}

/** The tables of an instance's object, without those of the platform. */
export const tablesOf = async (id: string): Promise<string[]> =>
  (
    await rows<{ name: string }>(
      instanceOf(bindings, id),
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
    )
  ).map(({ name }) => name);

/** Counts the rows an object writes from here on, and the times it sets its alarm, until it is evicted. */
export async function countWrites(stub: DurableObjectStub<Instance>): Promise<() => { rows: number; alarms: number }> {
  const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
  let alarms = 0;
  await runInDurableObject(stub, (_object, { storage }) => {
    const exec = storage.sql.exec.bind(storage.sql);
    const setAlarm = storage.setAlarm.bind(storage);
    storage.sql.exec = ((query: string, ...values: SqlStorageValue[]) => {
      const cursor = exec(query, ...values);
      cursors.push(cursor);
      return cursor;
    }) as typeof storage.sql.exec;
    storage.setAlarm = (at, options) => {
      alarms++;
      return setAlarm(at, options);
    };
  });
  return () => ({ rows: cursors.reduce((sum, cursor) => sum + cursor.rowsWritten, 0), alarms });
}
