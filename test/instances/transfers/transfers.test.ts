import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { secureRandom } from "../../../src/base/random.ts";
import { instanceSteps } from "../../../src/instances/schema.ts";
import { Transfers } from "../../../src/instances/transfers/store.ts";
import { refusalBy } from "../../../src/operations/claims.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { generated } from "../../harness/fake/content.ts";
import {
  anInstance,
  bindings,
  call,
  clock,
  rows as rowsOf,
  type TestInstance,
  type TestServer,
} from "../../harness/worker.ts";

const HOUR = 3_600_000;
const TWO_PIECES = 64 * 1024 * 1024 + 1;

afterEach(() => clock.reset());

const holds = (transfers: Transfers, name: string) => transfers.claims(name).length > 0;

/** As a confirmation asks: the reservation is there, and no other upload holds its name. */
function mayEnd(transfers: Transfers, id: string): boolean {
  const name = transfers.reservation(id)?.name;
  return name !== undefined && transfers.claims(name).every(({ holder }) => holder === id);
}

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
    const id = wake().reserve("b.zip", 5, 3);
    const later = wake();
    expect(later.reservation(id)).toEqual({ name: "b.zip", size: 5, startedAt: 1_000_000, auditRow: 3 });
    expect(mayEnd(later, id)).toBe(true);
    expect(later.release(id)?.auditRow).toBe(3);
    expect([mayEnd(later, id), later.release(id), rows()]).toEqual([false, null, 0]);
  });
});

it("one upload at a time holds a name; after a restart, a new one takes it and the old one may not end", async () => {
  await withTransfers("transfers-name", (wake, _time, rows) => {
    const before = wake();
    const old = before.reserve("c.zip", 5, null);
    expect(refusalBy(before.claims("c.zip"), "upload")?.code).toBe("upload_reserved");
    expect(holds(before, "c.zip")).toBe(true);
    const after = wake();
    expect(holds(after, "c.zip")).toBe(false);
    const taken = after.reserve("c.zip", 7, null);
    expect([mayEnd(after, old), mayEnd(after, taken), rows()]).toEqual([false, true, 1]);
    expect(after.release(old)).toBeNull();
    expect(holds(after, "c.zip")).toBe(true);
    after.release(taken);
    expect(holds(after, "c.zip")).toBe(false);
  });
});

it("what lost its Worker without a word is forgotten: an upload after six hours, its name free", async () => {
  await withTransfers("transfers-forgotten", (wake, time, rows) => {
    const transfers = wake();
    transfers.reserve("e.zip", 5, null);
    time.now += 6 * HOUR + 1;
    transfers.begin("f.zip", null, 2);
    expect([rows(), holds(transfers, "e.zip")]).toEqual([1, false]);
  });
});

it("a download after seven days: one that is healed takes as long as its client does", async () => {
  await withTransfers("transfers-slow", (wake, time, rows) => {
    const slow = wake().begin("d.zip", null, 1);
    time.now += 7 * 24 * HOUR;
    wake().begin("f.zip", null, 2);
    expect(wake().startedAt(slow)).toBe(1_000_000);
    time.now += 1;
    wake().begin("g.zip", null, 3);
    expect([wake().startedAt(slow), rows()]).toEqual([null, 2]);
  });
});

/** A ticket of a new key for a backup that is fetched in two pieces. */
async function ticketed(request: Record<string, unknown> = {}) {
  // No day ends in the hours that pass: quotas would begin anew.
  clock.set(Date.UTC(2026, 10, 24, 1));
  const instance = await anInstance();
  await instance.fake.put("a.zip", generated(3, TWO_PIECES), Date.now() - 60_000);
  await instance.fake.make("b.zip");
  const minted = await instance.mint(request);
  const { token } = (await call("/api/files/token", { method: "POST", as: minted.key })).json;
  return { ...instance, ...minted, path: `/api/backups/a.zip?token=${token}` };
}

/** Does something when the server has answered the first piece: the door is passed for the second one after it. */
function atFirstPiece({ fake, url }: TestServer, act: () => Promise<void>): void {
  const answered = fake.fetch;
  let first = true;
  const fetch: typeof answered = async (input, init) => {
    const answer = await answered(input, init);
    if (first && String(input).startsWith(`${url}/api/backups/a.zip`)) {
      first = false;
      await act();
    }
    return answer;
  };
  Object.assign(fake, { fetch });
}

const audited = ({ stub }: TestInstance, key: string) =>
  rowsOf<{ code: string | null; detail: string }>(
    stub,
    "SELECT code, detail FROM audit WHERE action = 'download' AND target = ?",
    key,
  );

it("a download by ticket goes on when the 180 s are long over, as one transfer that is counted once", async () => {
  const held = await ticketed({ quotas: { "backups:download": 3 } });
  atFirstPiece(held, async () => {
    clock.forward(7 * HOUR);
    // A new transfer sweeps the forgotten ones.
    expect((await held.admin("/api/backups/b.zip")).status).toBe(200);
  });
  const got = await call(held.path, { as: null });
  expect(got.status).toBe(200);
  await vi.waitFor(async () =>
    expect(await audited(held, "a.zip")).toEqual([{ code: null, detail: `${TWO_PIECES} bytes, complete` }]),
  );
  const downloads = held.fake.requests.filter(({ call: of, path }) => of === "download" && path.includes("a.zip"));
  expect(downloads.length).toBe(2);
  expect((await call(held.path, { as: null })).json.code).toBe("ticket_refused");
  // The ticket and the download took two of the three.
  const again = () => call("/api/backups/b.zip", { as: held.key });
  expect([(await again()).status, (await again()).status]).toEqual([200, 429]);
});

it("and passes the door all the same: a key that was disabled meanwhile ends it, ticket or not", async () => {
  const held = await ticketed();
  atFirstPiece(held, async () => {
    clock.forward(HOUR);
    await held.admin(`/v1/keys/${held.id}`, { method: "PATCH", body: { disabled: true } });
  });
  await expect(call(held.path, { as: null })).rejects.toThrow();
  await vi.waitFor(async () => expect((await audited(held, "a.zip"))[0]!.code).toBe("ticket_refused"));
  expect((await audited(held, "a.zip"))[0]!.detail).toBe(`${64 * 1024 * 1024} bytes, ticket_refused`);
});

it("a running download outlives the object that ends while it is asked for the next piece", async () => {
  const held = await ticketed();
  let asked = 0;
  atFirstPiece(held, async () => {
    // The file token is over by then: the object asks the server for another, and ends meanwhile.
    clock.forward(HOUR);
    held.fake.faults.add({ kind: "slow", ms: 1000, on: "fileToken", times: 1 });
    asked = held.fake.requests.filter(({ call: of }) => of === "fileToken").length;
    setTimeout(() => void held.kill(), 300);
  });
  expect((await call(held.path, { as: null })).status).toBe(200);
  expect(held.fake.requests.filter(({ call: of }) => of === "fileToken").length - asked).toBe(2);
  await vi.waitFor(async () =>
    expect(await audited(held, "a.zip")).toEqual([{ code: null, detail: `${TWO_PIECES} bytes, complete` }]),
  );
});

it("an object that ends while it is asked is a 503, and nothing of what it threw is told", async () => {
  const { fake, path, kill } = await ticketed();
  fake.faults.add({ kind: "slow", ms: 1000, on: "fileToken" });
  const tokens = () => fake.requests.filter(({ call: of }) => of === "fileToken").length;
  const before = tokens();
  const asked = call(path, { as: null });
  await vi.waitUntil(() => tokens() > before);
  await kill();
  const { status, headers, json, text } = await asked;
  expect([status, json.code, headers.get("retry-after")]).toEqual([503, "relay_restarted", "5"]);
  expect(text).not.toContain("killed");
});
