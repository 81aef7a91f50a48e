import { expect, it, vi } from "vitest";
import { problem } from "../../src/base/problem.ts";
import { fail, ok, type Result } from "../../src/base/result.ts";
import { ObjectAlarm } from "../../src/storage/alarm.ts";
import { Duties, periodic } from "../../src/storage/duties.ts";
import type { Migration } from "../../src/storage/migrate.ts";
import { Opening } from "../../src/storage/opening.ts";
import { Turns } from "../harness/object-sqlite.ts";

const steps: readonly Migration[] = [
  ["CREATE TABLE notes (text TEXT NOT NULL)"],
  ["ALTER TABLE notes RENAME COLUMN text TO body"],
];

/** An object's storage that outlives the objects over it: its tables and its alarm. */
class Disk extends Turns {
  alarm: number | null = null;
  alarmsSet = 0;

  override get storage(): DurableObjectStorage {
    return {
      sql: this.sql,
      transactionSync: (work: () => unknown) => work(),
      getAlarm: async () => this.alarm,
      setAlarm: async (at: number) => {
        this.alarm = at;
        this.alarmsSet++;
      },
    } as unknown as DurableObjectStorage;
  }

  versionIs(version: number): void {
    this.sql.exec("UPDATE schema_version SET version = ?", version);
  }
}

/** A third kind of object: notes, and a round every minute. */
class Notebook {
  readonly rounds: number[] = [];
  private readonly disk: Disk;
  private readonly now: () => number;
  private readonly objectAlarm: ObjectAlarm;
  private readonly opening: Opening<string, { owner: string; duties: Duties }>;

  constructor(
    disk: Disk,
    now: () => number,
    settings: () => Result<string, never> | ReturnType<typeof refused> = () => ok("me"),
  ) {
    this.disk = disk;
    this.now = now;
    this.objectAlarm = new ObjectAlarm(disk.storage, now);
    this.opening = new Opening({ storage: disk.storage, steps, settings });
    if (this.opening.hasTables) this.open();
  }

  async add(body: string): Promise<Result<string, string>> {
    const parts = this.open();
    if (!parts) return fail(this.opening.refusal?.code ?? "closed");
    this.disk.sql.exec("INSERT INTO notes (body) VALUES (?)", body);
    await this.objectAlarm.bringForward(parts.duties.due(this.now()));
    return ok(parts.owner);
  }

  wake(at: number): void {
    this.objectAlarm.set(at);
  }

  alarm(): void {
    const duties = this.opening.parts?.duties;
    this.objectAlarm.ring(() => {
      duties?.run(this.now());
      return duties?.due(this.now()) ?? Number.POSITIVE_INFINITY;
    });
  }

  private open() {
    return this.opening.open((owner) => ({
      owner,
      duties: new Duties([periodic("round", 60_000, (now) => this.rounds.push(now))]),
    }));
  }
}

const refused = () => fail(problem("misconfigured"));

it("makes no tables before it is set up, and finds its rows when it wakes", async () => {
  const disk = new Disk();
  const tables = () => disk.sql.exec("SELECT name FROM sqlite_master").toArray().length;
  const first = new Notebook(disk, () => 0);
  first.alarm();
  expect([tables(), disk.alarm]).toEqual([0, null]);
  expect(await first.add("one")).toEqual(ok("me"));
  await new Notebook(disk, () => 0).add("two");
  expect(disk.sql.exec("SELECT body FROM notes").toArray()).toHaveLength(2);
});

it("is refused with the reason: settings, a newer version, a migration that fails", async () => {
  const disk = new Disk();
  expect(await new Notebook(disk, () => 0, refused).add("one")).toEqual(fail("misconfigured"));
  expect(disk.sql.exec("SELECT name FROM sqlite_master").toArray()).toEqual([]);
  await new Notebook(disk, () => 0).add("one");
  disk.versionIs(3);
  expect(await new Notebook(disk, () => 0).add("two")).toEqual(fail("storage_too_new"));
  // The column has its new name already, so the step fails.
  disk.versionIs(1);
  expect(await new Notebook(disk, () => 0).add("two")).toEqual(fail("migration_failed"));
  disk.versionIs(2);
  expect(await new Notebook(disk, () => 0).add("two")).toEqual(ok("me"));
});

it("brings tables of an older version to the newest", async () => {
  const disk = new Disk();
  for (const statement of ["CREATE TABLE schema_version (version INTEGER NOT NULL)", ...steps[0]!])
    disk.sql.exec(statement);
  disk.sql.exec("INSERT INTO schema_version (version) VALUES (1)");
  disk.sql.exec("INSERT INTO notes (text) VALUES ('old')");
  await new Notebook(disk, () => 0).add("new");
  expect(disk.sql.exec("SELECT body FROM notes").toArray()).toEqual([{ body: "old" }, { body: "new" }]);
});

it("sets its alarm only to bring it forward, and for one row each time it rings", async () => {
  const disk = new Disk();
  let now = 1_000_000;
  const notebook = new Notebook(disk, () => now);
  await notebook.add("one");
  await notebook.add("two");
  expect([disk.alarm, disk.alarmsSet]).toEqual([now, 1]);
  notebook.alarm();
  expect([disk.alarm, disk.alarmsSet]).toEqual([now + 60_000, 2]);
  expect(notebook.rounds).toEqual([now]);
  notebook.wake(now + 90_000);
  expect(disk.alarmsSet).toBe(2);
  notebook.wake(now + 5_000);
  expect([disk.alarm, disk.alarmsSet]).toEqual([now + 5_000, 3]);
  now += 5_000;
  notebook.alarm();
  expect([disk.alarm, disk.alarmsSet]).toEqual([now + 55_000, 4]);

  // The platform dropped it: the next command past its time sets it again.
  disk.alarm = null;
  now += 120_000;
  await notebook.add("three");
  expect(disk.alarm).toBe(now);
  // One that woke asks what is stored.
  disk.alarm = now - 1;
  const set = disk.alarmsSet;
  await new Notebook(disk, () => now).add("four");
  expect(disk.alarmsSet).toBe(set);
});

it("an alarm whose work fails does not throw, and comes again", () => {
  const disk = new Disk();
  const complained = vi.spyOn(console, "error").mockImplementation(() => undefined);
  new ObjectAlarm(disk.storage, () => 1_000).ring(() => {
    throw new Error("made to fail");
  });
  expect(complained).toHaveBeenCalledOnce();
  complained.mockRestore();
  expect(disk.alarm).toBe(31_000);
});
