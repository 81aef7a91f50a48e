import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { secureRandom } from "../src/base/random.ts";
import type { Bindings } from "../src/bindings.ts";
import { buildParts, type Platform } from "../src/instances/parts.ts";
import { instanceSteps } from "../src/instances/schema.ts";
import { readSettings } from "../src/settings.ts";
import { migrate } from "../src/storage/migrate.ts";
import { FakeUpstream } from "../test/harness/fake/upstream.ts";

/** What an instance used, counted as Cloudflare bills it. */
export type Used = { alarms: number; rowsWritten: number; calls: { [call: string]: number } };

/**
 * The parts of one instance on Node's SQLite, a server in memory, and a clock that jumps to whatever is due next: hours
 * pass in a moment, and every row that is written is counted by the database itself.
 */
export async function instanceInMemory(backups: number) {
  const time = { now: Date.UTC(2026, 10, 23, 12) };
  const clock = () => time.now;
  const database = new DatabaseSync(":memory:");
  const storage = storageOf(database);
  const works = new Set<Promise<unknown>>();
  const fake = new FakeUpstream({ clock, sleep: async () => undefined });
  const bytes = await fake.world.archive();
  for (let at = 0; at < backups; at++) await fake.put(`backup_${at}.zip`, bytes, time.now - (backups - at) * 3_600_000);
  const settings = readSettings({
    ADMIN_TOKEN: randomBytes(36).toString("base64url"),
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    ALLOW_PRIVATE_NETWORK: "instances",
  } as Bindings);
  if (!settings.ok) throw new Error(settings.error.message);
  migrate(storage, instanceSteps);
  const parts = buildParts({
    storage,
    settings: settings.value,
    clock,
    random: secureRandom,
    fetch: fake.fetch,
    reach: null,
    sleep: async () => undefined,
    detach(work) {
      works.add(work);
      void work.catch(() => undefined).finally(() => works.delete(work));
    },
    endpoint: () => {
      throw new Error("no endpoint here");
    },
    wake() {},
    settled() {},
  } as Platform);
  const place = { id: "abcdefgh", tag: "abcdef" };
  const credential = { kind: "password" as const, email: fake.email, password: fake.password };
  const wishes = { headers: {}, pollSeconds: 120, expect: { everySeconds: 86_400, graceSeconds: 3_600 }, verify: true };
  await parts.configuration.register(
    place,
    { name: "demo", url: "http://127.0.0.1:8090", credential, ...wishes },
    "api",
  );

  return {
    fake,
    /** Lets time pass, as the alarm does, and tells what that took. One arming of the alarm is one row. */
    async pass(ms: number): Promise<Used> {
      const end = time.now + ms;
      const before = changes(database);
      const asked = fake.requests.length;
      let alarms = 0;
      for (let due = parts.duties.due(time.now); due <= end; due = parts.duties.due(time.now)) {
        time.now = Math.max(time.now, due);
        parts.duties.run(time.now);
        alarms++;
        while (works.size > 0) await Promise.allSettled(works);
      }
      time.now = end;
      const calls: Used["calls"] = {};
      for (const { call } of fake.requests.slice(asked)) calls[call] = (calls[call] ?? 0) + 1;
      return { alarms, rowsWritten: changes(database) - before + alarms, calls };
    },
  };
}

const changes = (database: DatabaseSync): number =>
  Number((database.prepare("SELECT total_changes() AS rows").get() as { rows: number }).rows);

/** As much of a Durable Object's storage as the parts use. */
function storageOf(database: DatabaseSync): DurableObjectStorage {
  const exec = (query: string, ...bindings: (string | number | null)[]) => {
    const rows = database.prepare(query).all(...bindings);
    return { toArray: () => rows, one: () => rows[0], [Symbol.iterator]: () => rows[Symbol.iterator]() };
  };
  let deep = 0;
  const transactionSync = <T>(work: () => T): T => {
    const name = `s${deep++}`;
    database.exec(`SAVEPOINT ${name}`);
    try {
      const value = work();
      database.exec(`RELEASE ${name}`);
      return value;
    } catch (error) {
      database.exec(`ROLLBACK TO ${name}`);
      database.exec(`RELEASE ${name}`);
      throw error;
    } finally {
      deep--;
    }
  };
  return { sql: { exec }, transactionSync } as unknown as DurableObjectStorage;
}
