import { describe, expect, it } from "vitest";
import { verifyOnArrival } from "../../src/archive/arrival.ts";
import { inspectArchive } from "../../src/archive/inspection.ts";
import { type PreflightCheck, type PreflightEvidence, preflight } from "../../src/archive/preflight.ts";
import { problem } from "../../src/base/problem.ts";
import { fail } from "../../src/base/result.ts";
import { database } from "../harness/archive/database.ts";
import { failingReader, readerOf } from "../harness/archive/reader.ts";
import { type ZipFile, zip } from "../harness/archive/zip.ts";

const data: ZipFile = { name: "data.db", data: database() };
const types: ZipFile = { name: "types.d.ts", data: "declare" };
const listed = { key: "daily.zip", size: 1000, modified: "2026-11-22 10:00:00.000Z" };
const made = Date.parse("2026-11-22T10:00:00Z");

async function judge(files: ZipFile[], evidence: Partial<PreflightEvidence> = {}) {
  const bytes = zip(files);
  return preflight({
    backup: listed,
    made: { at: made, by: "seen" },
    idle: true,
    inspection: await inspectArchive(readerOf(bytes), bytes.length, evidence.flavour),
    credentialSince: made - 1,
    madeBy: { kind: "server" },
    flavour: "pocketbase",
    ...evidence,
  });
}

const named = (checks: PreflightCheck[], name: string) => checks.filter((check) => check.name === name);

describe("a backup of BosBase", () => {
  const stored: ZipFile = { name: "storage/a/b/c.png", data: "x" };
  it.each<[string, ZipFile[]]>([
    ["is sound when it is empty, as a fresh server's", []],
    ["is sound with one uploaded file", [stored]],
    ["is sound with what the command line leaves", [types, stored]],
    ["is sound with a data.db that PocketBase left, of which nothing is said", [data, stored]],
  ])("%s", async (_case, files) => {
    const bytes = zip(files);
    const report = await verifyOnArrival(readerOf(bytes), bytes.length, null, "bosbase");
    const archive = { entries: files.length, database: null };
    expect(report).toMatchObject({ ok: true, value: { verified: "ok", level: "L1", reasons: [], archive } });

    const { ok, checks } = await judge(files, { flavour: "bosbase" });
    expect(ok).toBe(false);
    expect(checks.filter((check) => !check.ok).map(({ name }) => name)).toEqual(["flavour"]);
    expect(JSON.stringify(checks.filter(({ name }) => name !== "flavour"))).not.toMatch(/database|superuser|token/);
  });

  it("is suspect when it is damaged", async () => {
    const bytes = zip([types]).slice(0, -5);
    const report = await verifyOnArrival(readerOf(bytes), bytes.length, null, "bosbase");
    expect(report).toMatchObject({ ok: true, value: { verified: "suspect", level: null } });
  });
});

describe("preflight", () => {
  it("passes a sound backup and says what was found", async () => {
    const { ok, checks, backup, archive, madeBy } = await judge([data, types]);
    expect(ok).toBe(true);
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual([
      ["exists", true],
      ["idle", true],
      ["archive", true],
      ["names", true],
      ["database", true],
      ["credential", true],
      ["tokens", false],
    ]);
    expect(named(checks, "archive")[0]!.message).toBe("The archive is whole: 2 files, 12 KiB unpacked.");
    expect(named(checks, "database")[0]!.message).toBe("data.db is a PocketBase database of 12 KiB in 3 pages.");
    expect(backup).toEqual(listed);
    expect(archive).toMatchObject({ entries: 2, database: { bytes: 12_288, pageSize: 4096, pages: 3 } });
    expect(archive!.directorySha256).toMatch(/^[0-9a-f]{64}$/);
    expect(madeBy).toEqual({ kind: "server" });
  });

  it("refuses names that the server would unpack elsewhere, but not in a backup that the server itself made", async () => {
    const files = [data, { name: "storage\\a\\b\\c.png", data: "x" }];
    const own = await judge(files);
    expect([own.ok, named(own.checks, "names")]).toMatchObject([true, [{ ok: true }, { ok: false, severity: "warn" }]]);
    const brought = await judge(files, { madeBy: { kind: "unknown" } });
    expect(brought.ok).toBe(false);
    expect(named(brought.checks, "names")).toMatchObject([{ ok: false, severity: "refuse" }]);
  });

  it("refuses a backup that is not listed, and looks no further", async () => {
    const { ok, checks, archive } = await judge([data], { backup: null, inspection: null });
    expect(ok).toBe(false);
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual([
      ["exists", false],
      ["idle", true],
    ]);
    expect(archive).toBeNull();
  });

  it.each([false, null])("refuses while the server is not known to be idle (%s)", async (idle) => {
    const { ok, checks } = await judge([data], { idle });
    expect(ok).toBe(false);
    expect(named(checks, "idle")).toMatchObject([{ ok: false, severity: "refuse" }]);
  });

  it("refuses with every reason it found, each under its check", async () => {
    const { ok, checks, archive } = await judge([types, { name: "../x", data: "x" }, { name: "../x", data: "x" }]);
    expect(ok).toBe(false);
    expect(named(checks, "archive")).toMatchObject([{ ok: true }]);
    expect(named(checks, "names")).toMatchObject([{ ok: false, severity: "refuse" }]);
    expect(named(checks, "database")).toMatchObject([{ ok: false, severity: "refuse" }]);
    expect(archive).toMatchObject({ entries: 3, database: null });
  });

  it("passes with a warning beside the good word, when changes were not merged yet", async () => {
    const { ok, checks } = await judge([data, { name: "data.db-wal", data: "x" }]);
    expect(ok).toBe(true);
    expect(named(checks, "database")).toMatchObject([
      { ok: true, severity: "refuse" },
      { ok: false, severity: "warn" },
    ]);
  });

  it("gives no good word for what it did not reach", async () => {
    const { checks } = await judge([{ ...data, flags: 9 }]);
    expect(named(checks, "archive")).toMatchObject([{ ok: false, severity: "refuse" }]);
    expect([...named(checks, "names"), ...named(checks, "database")]).toEqual([]);
  });

  it("refuses, and says that nothing is known, when the bytes could not be had", async () => {
    const { ok, checks } = await judge([data], { inspection: fail(problem("upstream_unreachable")) });
    expect(ok).toBe(false);
    expect(named(checks, "archive")[0]!.message).toMatch(
      /^The backup could not be read, so nothing is known about it\. \S/,
    );
  });

  it.each<[string, Partial<PreflightEvidence>]>([
    ["changed after the backup", { credentialSince: made + 1 }],
    ["has an unknown age", { credentialSince: null }],
    ["is compared with a backup of unknown age", { made: null }],
  ])("warns that the login may not survive when the credential %s", async (_, evidence) => {
    const { ok, checks } = await judge([data], evidence);
    expect(ok).toBe(true);
    expect(named(checks, "credential")).toMatchObject([{ ok: false, severity: "warn" }]);
  });
});

describe("a backup that the relay did not see the server make", () => {
  it.each(["unknown", "key"] as const)("carries both risks and promises nothing, made by: %s", async (kind) => {
    const madeBy = kind === "key" ? { kind, id: "k", name: "uploader" } : { kind };
    const { ok, checks } = await judge([data], { madeBy });
    expect(ok).toBe(true);
    expect(named(checks, "origin")).toMatchObject([{ ok: false, severity: "warn" }]);
    expect(named(checks, "origin")[0]!.message).toMatch(/superusers.*--encryptionEnv/);
    expect(named(checks, "credential")).toMatchObject([{ ok: false, severity: "warn" }]);
  });

  it("but that has the name of its own schedule carries no such warning", async () => {
    const scheduled = { ...listed, key: "@auto_pb_backup_acme_20261122000000.zip" };
    const { checks } = await judge([data], { madeBy: { kind: "unknown" }, backup: scheduled });
    expect(named(checks, "origin")).toEqual([]);
    expect(named(checks, "credential")).toMatchObject([{ ok: true }]);
    const uploaded = await judge([data], { madeBy: { kind: "key", id: "k", name: "n" }, backup: scheduled });
    expect(named(uploaded.checks, "origin")).toHaveLength(1);
  });
});

describe("a backup that has just arrived", () => {
  async function verify(files: ZipFile[], median: number | null = null) {
    const bytes = zip(files);
    const result = await verifyOnArrival(readerOf(bytes), bytes.length, median, "pocketbase");
    return result.ok ? { ...result.value, size: bytes.length } : result;
  }

  it("is verified, with what was looked at", async () => {
    const verdict = await verify([data, types]);
    expect(verdict).toMatchObject({ verified: "ok", reasons: [], archive: { entries: 2 } });
    expect(verdict).toMatchObject({ cost: { reads: 1, localHeaders: 2 } });
  });

  it("is suspect with the reason, when a restore of it would be refused", async () => {
    const verdict = await verify([types]);
    expect(verdict).toMatchObject({
      verified: "suspect",
      reasons: [{ code: "no_database_bosbase", message: expect.stringContaining("holds no database") }],
    });
    const cut = await verify([{ name: "data.db", data: database({ stated: 4 }) }]);
    expect(cut).toMatchObject({ verified: "suspect", reasons: [{ code: "database_cut" }] });
  });

  it("is suspect when it shrank by more than 30 % against the median, not at 30 %", async () => {
    const { size } = (await verify([data])) as { size: number };
    expect(await verify([data], size / 0.7)).toMatchObject({ verified: "ok" });
    expect(await verify([data], size / 0.69)).toMatchObject({ verified: "suspect", reasons: [{ code: "shrunk" }] });
    expect(await verify([data], size / 3)).toMatchObject({ verified: "ok" });
  });

  it("stays verified when there is only something to know", async () => {
    expect(await verify([data, { name: "link", data: "x", mode: 0o120777 }])).toMatchObject({ verified: "ok" });
  });

  it("is neither, when it is beyond what is examined", async () => {
    const bytes = zip([data], { zip64: true, end64: { entries: 200_001 } });
    const result = await verifyOnArrival(readerOf(bytes), bytes.length, null, "pocketbase");
    expect(result).toMatchObject({
      ok: true,
      value: { verified: "no", reasons: [{ code: "too_many_entries" }], archive: null },
    });
  });

  it("has no verdict when its bytes could not be had", async () => {
    const bytes = zip([data]);
    const result = await verifyOnArrival(failingReader(bytes, 0), bytes.length, null, "pocketbase");
    expect(result).toEqual({ ok: false, error: { code: "upstream_unreachable" } });
  });
});
