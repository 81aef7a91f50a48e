import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { secureRandom } from "../../src/base/random.ts";
import { instanceSteps, migrate } from "../../src/instances/schema.ts";
import { Transfers } from "../../src/instances/transfers.ts";
import { bindings } from "../support/worker.ts";

const HOUR = 3_600_000;

/** Each `wake()` is the object as it comes back to memory: the rows are all it has. */
function withTransfers(name: string, act: (wake: () => Transfers, time: { now: number }, rows: () => number) => void) {
  return runInDurableObject(bindings.INSTANCE.getByName(name), (_object, { storage }) => {
    migrate(storage, instanceSteps);
    const time = { now: 1_000_000 };
    const rows = () => Number(storage.sql.exec("SELECT count(*) AS n FROM transfers").one().n);
    act(() => new Transfers(storage.sql, () => time.now, secureRandom), time, rows);
  });
}

it("a download is judged as of its start and ended once, however often the object left memory", async () => {
  await withTransfers("transfers-download", (wake, time, rows) => {
    const id = wake().begin("a.zip", "bytes=0-9", 7);
    time.now += HOUR;
    expect(wake().startedAt(id)).toBe(1_000_000);
    expect(wake().transfer(id)).toEqual({ key: "a.zip", range: "bytes=0-9", startedAt: 1_000_000, auditRow: 7 });
    expect(wake().reservation(id)).toBeNull();
    expect(wake().end(id)?.auditRow).toBe(7);
    expect([wake().end(id), wake().startedAt(id), rows()]).toEqual([null, null, 0]);
  });
});

it("an upload that outlives the object's time in memory keeps its reservation", async () => {
  await withTransfers("transfers-upload", (wake, _time, rows) => {
    const id = wake().reserve("b.zip", 5, 3)!;
    const later = wake();
    expect(later.reservation(id)).toEqual({ name: "b.zip", size: 5, startedAt: 1_000_000, auditRow: 3 });
    expect(later.mayEnd(id)).toBe(true);
    expect(later.release(id)?.auditRow).toBe(3);
    expect([later.mayEnd(id), later.release(id), rows()]).toEqual([false, null, 0]);
  });
});

it("one upload at a time holds a name; after a restart, a new one takes it and the old one may not end", async () => {
  await withTransfers("transfers-name", (wake, _time, rows) => {
    const before = wake();
    const old = before.reserve("c.zip", 5, null)!;
    expect(before.reserve("c.zip", 6, null)).toBeNull();
    expect(before.holds("c.zip")).toBe(true);
    const after = wake();
    expect(after.holds("c.zip")).toBe(false);
    const taken = after.reserve("c.zip", 7, null)!;
    expect([after.mayEnd(old), after.mayEnd(taken), rows()]).toEqual([false, true, 1]);
    expect(after.release(old)).toBeNull();
    expect(after.holds("c.zip")).toBe(true);
    after.release(taken);
    expect(after.holds("c.zip")).toBe(false);
  });
});

it("what lost its Worker without a word is forgotten after six hours, its name free", async () => {
  await withTransfers("transfers-forgotten", (wake, time, rows) => {
    const transfers = wake();
    transfers.begin("d.zip", null, 1);
    transfers.reserve("e.zip", 5, null);
    time.now += 6 * HOUR + 1;
    transfers.begin("f.zip", null, 2);
    expect([rows(), transfers.holds("e.zip")]).toEqual([1, false]);
  });
});
