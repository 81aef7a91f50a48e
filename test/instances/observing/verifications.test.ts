import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { Verifications } from "../../../src/instances/observing/verifications.ts";
import { instanceSteps } from "../../../src/instances/schema.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { bindings } from "../../harness/worker.ts";

/** Runs with the tables of an instance that nobody registered; counts the rows read. */
function withVerdicts(name: string, act: (make: () => Verifications, rowsRead: () => number, sql: SqlStorage) => void) {
  return runInDurableObject(bindings.INSTANCE.getByName(name), (_object, { storage }) => {
    migrate(storage, instanceSteps);
    const cursors: { rowsRead: number }[] = [];
    const exec = storage.sql.exec.bind(storage.sql);
    storage.sql.exec = ((query: string, ...values: SqlStorageValue[]) => {
      const cursor = exec(query, ...values);
      cursors.push(cursor);
      return cursor;
    }) as typeof storage.sql.exec;
    const make = () => new Verifications(storage.sql, () => 1_000);
    act(make, () => cursors.reduce((sum, cursor) => sum + cursor.rowsRead, 0), storage.sql);
  });
}

const generation = { size: 1, modified: 1 };

it("works off many backups that appeared at once without reading all of them for each", async () => {
  await withVerdicts("verifications-many", (make, rowsRead) => {
    const first = make();
    for (let at = 0; at < 500; at++) first.await(`${at}.zip`, generation, null);
    // As after an eviction: what waits is in the table alone.
    const verifications = make();
    const seen: string[] = [];
    for (let next = verifications.next(); next; next = verifications.next()) {
      seen.push(next.key);
      verifications.write({ ...next, verified: "ok" });
      verifications.nextAt();
    }
    expect(new Set(seen).size).toBe(500);
    expect(seen.length).toBe(500);
    expect(verifications.nextAt()).toBeNull();
    expect(rowsRead()).toBeLessThan(5_000);
  });
});

it("goes on after a backup whose row was rolled back or deleted", async () => {
  await withVerdicts("verifications-gone", (make, _rowsRead, sql) => {
    const verifications = make();
    verifications.await("gone.zip", generation, null);
    verifications.await("there.zip", generation, null);
    verifications.await("forgotten.zip", generation, null);
    sql.exec("DELETE FROM verifications WHERE key = 'gone.zip'");
    verifications.forget("forgotten.zip");
    expect(verifications.next()?.key).toBe("there.zip");
    verifications.write({ ...verifications.read("there.zip")!, verified: "no" });
    expect([verifications.next(), verifications.nextAt()]).toEqual([null, null]);
  });
});

it("waits until a try is due", async () => {
  await withVerdicts("verifications-later", (make) => {
    const verifications = make();
    verifications.await("a.zip", generation, null);
    verifications.write({ ...verifications.read("a.zip")!, tries: 1, at: 5_000 });
    expect([verifications.next(), verifications.nextAt()]).toEqual([null, 5_000]);
  });
});
