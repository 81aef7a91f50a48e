import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { Verdicts } from "../../src/instances/observing/verifications.ts";
import { instanceSteps, migrate } from "../../src/storage/migrate.ts";
import { bindings } from "../support/worker.ts";

/** Runs with the tables of an instance that nobody registered; counts the rows read. */
function withVerdicts(name: string, act: (make: () => Verdicts, rowsRead: () => number, sql: SqlStorage) => void) {
  return runInDurableObject(bindings.INSTANCE.getByName(name), (_object, { storage }) => {
    migrate(storage, instanceSteps);
    const cursors: { rowsRead: number }[] = [];
    const exec = storage.sql.exec.bind(storage.sql);
    storage.sql.exec = ((query: string, ...values: SqlStorageValue[]) => {
      const cursor = exec(query, ...values);
      cursors.push(cursor);
      return cursor;
    }) as typeof storage.sql.exec;
    const make = () => new Verdicts(storage.sql, () => 1_000);
    act(make, () => cursors.reduce((sum, cursor) => sum + cursor.rowsRead, 0), storage.sql);
  });
}

const generation = { size: 1, modified: 1 };

it("works off many backups that appeared at once without reading all of them for each", async () => {
  await withVerdicts("verdicts-many", (make, rowsRead) => {
    const first = make();
    for (let at = 0; at < 500; at++) first.await(`${at}.zip`, generation, null);
    // As after an eviction: what waits is in the table alone.
    const verdicts = make();
    const seen: string[] = [];
    for (let next = verdicts.next(); next; next = verdicts.next()) {
      seen.push(next.key);
      verdicts.write({ ...next, verified: "ok" });
      verdicts.nextAt();
    }
    expect(new Set(seen).size).toBe(500);
    expect(seen.length).toBe(500);
    expect(verdicts.nextAt()).toBeNull();
    expect(rowsRead()).toBeLessThan(5_000);
  });
});

it("goes on after a backup whose row was rolled back or deleted", async () => {
  await withVerdicts("verdicts-gone", (make, _rowsRead, sql) => {
    const verdicts = make();
    verdicts.await("gone.zip", generation, null);
    verdicts.await("there.zip", generation, null);
    verdicts.await("forgotten.zip", generation, null);
    sql.exec("DELETE FROM verdicts WHERE key = 'gone.zip'");
    verdicts.forget("forgotten.zip");
    expect(verdicts.next()?.key).toBe("there.zip");
    verdicts.write({ ...verdicts.read("there.zip")!, verified: "no" });
    expect([verdicts.next(), verdicts.nextAt()]).toEqual([null, null]);
  });
});

it("waits until a try is due", async () => {
  await withVerdicts("verdicts-later", (make) => {
    const verdicts = make();
    verdicts.await("a.zip", generation, null);
    verdicts.write({ ...verdicts.read("a.zip")!, tries: 1, at: 5_000 });
    expect([verdicts.next(), verdicts.nextAt()]).toEqual([null, 5_000]);
  });
});
