import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { defaultVersion, previousVersion } from "../../scripts/pocketbase-versions.ts";
import { verifyOnArrival } from "../../src/archive/arrival.ts";
import { type ArchiveInspection, inspectArchive } from "../../src/archive/inspection.ts";
import type { RangeReader } from "../../src/archive/ranges.ts";
import { problem } from "../../src/base/problem.ts";
import { fail, ok } from "../../src/base/result.ts";
import { database } from "../harness/archive/database.ts";
import { readerOf } from "../harness/archive/reader.ts";
import { unzip } from "../harness/archive/unzip.ts";
import { type ZipFile, type ZipOptions, zip } from "../harness/archive/zip.ts";
import type { TestPocketBase } from "../harness/pocketbase.ts";
import { call, makeBackup, restore, withServer } from "../harness/pocketbase-calls.ts";

/** Ranged downloads, as the relay reads an archive. */
async function downloadReader(server: TestPocketBase, key: string): Promise<RangeReader> {
  const { token } = (await (await call(server, "POST", "/api/files/token")).json()) as { token: string };
  return async (start, end) => {
    const answer = await fetch(`${server.url}/api/backups/${key}?token=${token}`, {
      headers: { range: `bytes=${start}-${end - 1}` },
    });
    return answer.status === 206 ? ok(new Uint8Array(await answer.arrayBuffer())) : fail(problem("archive_unreadable"));
  };
}

async function inspect(bytes: Uint8Array): Promise<ArchiveInspection> {
  const result = await inspectArchive(readerOf(bytes), bytes.length);
  if (!result.ok) throw new Error(result.error.code);
  return result.value;
}

const refusals = async (bytes: Uint8Array) =>
  (await inspect(bytes)).findings.filter(({ severity }) => severity === "refuse").map(({ code }) => code);

describe.each([defaultVersion, previousVersion])("a backup made by PocketBase %s", (version) => {
  it("passes, read by ranged downloads, and its facts are those of its files", async () => {
    await withServer(version, async (server) => {
      const bytes = await makeBackup(server);
      const result = await verifyOnArrival(
        await downloadReader(server, "made.zip"),
        bytes.length,
        bytes.length,
        "pocketbase",
      );
      expect(result).toMatchObject({ ok: true, value: { verified: "ok", reasons: [] } });
      const files = await unzip(bytes);
      const data = files.find(({ name }) => name === "data.db")!.data;
      const { findings, archive, cost } = await inspect(bytes);
      expect(findings).toEqual([]);
      expect(archive).toMatchObject({
        entries: files.length,
        uncompressed: files.reduce((sum, { data }) => sum + data.length, 0),
        database: { bytes: data.length, pageSize: 4096, pages: data.length / 4096 },
      });
      expect(cost.reads).toBeLessThanOrEqual(4);
      expect(await refusals(zip(files, { dialect: "infozip" }))).toEqual([]);
      for (const left of [bytes.length - 1, Math.floor(bytes.length / 2), 100]) {
        expect(await refusals(bytes.subarray(0, left))).toEqual(["truncated"]);
      }
    });
  });

  it("may hold a link, which is warned of: the restore leaves it out", async () => {
    await withServer(version, async (server) => {
      writeFileSync(join(server.dataDir, "target.txt"), "content");
      symlinkSync("target.txt", join(server.dataDir, "link.txt"));
      const bytes = await makeBackup(server);
      const { findings } = await inspect(bytes);
      expect(findings).toMatchObject([{ code: "links", severity: "warn" }]);
      expect(await restore(server, bytes)).toBe("restored");
      expect(existsSync(join(server.dataDir, "target.txt"))).toBe(true);
      expect(existsSync(join(server.dataDir, "link.txt"))).toBe(false);
    });
  });
});

describe(`what PocketBase ${defaultVersion} makes of crafted archives`, () => {
  type Craft = (files: ZipFile[]) => ZipFile[];
  const replaced = (name: string, change: (data: Uint8Array) => Uint8Array): Craft => {
    return (files) =>
      files.map((file) => (file.name === name ? { ...file, data: change(file.data as Uint8Array) } : file));
  };
  const instead = (name: string, other: ZipFile): Craft => {
    return (files) => [...files.filter((file) => file.name !== name), other];
  };
  const fewerPages = (data: Uint8Array) => data.subarray(0, data.length - 4096);
  const noTreeOnPageOne = (data: Uint8Array) => data.map((byte, at) => (at === 100 ? 0 : byte));
  const garbage = () => new TextEncoder().encode("garbage ".repeat(500));

  async function craft(server: TestPocketBase, change: Craft, options?: ZipOptions): Promise<Uint8Array> {
    return zip(change(await unzip(await makeBackup(server))), options);
  }

  it.each<[string, string, Craft]>([
    ["a data.db that is a folder", "database_not_file", instead("data.db", { name: "data.db/", data: "" })],
    ["a data.db with fewer pages than it states", "database_cut", replaced("data.db", fewerPages)],
    ["a data.db whose first page is damaged", "database_damaged", replaced("data.db", noTreeOnPageOne)],
    ["an auxiliary.db that is not SQLite", "database_not_sqlite", replaced("auxiliary.db", garbage)],
    ["an auxiliary.db cut short", "database_cut", replaced("auxiliary.db", fewerPages)],
    ["a folder data.db-wal", "database_not_file", (files) => [...files, { name: "data.db-wal/x", data: "x" }]],
  ])("%s ends it for good; the preflight refuses", async (_, code, change) => {
    await withServer(defaultVersion, async (server) => {
      const archive = await craft(server, change);
      expect(await refusals(archive)).toEqual([code]);
      expect(await restore(server, archive)).toBe("dead");
    });
  });

  it("another application's database leaves it without its superuser; the preflight refuses", async () => {
    await withServer(defaultVersion, async (server) => {
      const archive = zip([{ name: "data.db", data: emptyDatabase() }]);
      expect(await refusals(archive)).toEqual(["database_foreign"]);
      expect(await restore(server, archive)).toBe("restored");
      await expect(server.token()).rejects.toThrow("refused");
    });
  });

  it("a file and a folder of one name make the restore fail and change nothing; the preflight refuses", async () => {
    await withServer(defaultVersion, async (server) => {
      const conflict = [
        { name: "storage", data: "x" },
        { name: "storage/a/b", data: "y" },
      ];
      const archive = await craft(server, (files) => [...files, ...conflict]);
      expect(await refusals(archive)).toEqual(["name_conflict"]);
      expect(await restore(server, archive)).toBe("unchanged");
    });
  });

  it.each<[string, (name: string) => string]>([
    ["Windows's backslashes", (name) => name.replaceAll("/", "\\")],
    ["other capitals", (name) => name.replace(/^storage/, "Storage")],
  ])("%s in the names cost it its uploaded files; the preflight refuses", async (_case, packed) => {
    await withServer(defaultVersion, async (server) => {
      const upload = "storage/pbc_1/rec_1/photo.png";
      mkdirSync(join(server.dataDir, "storage/pbc_1/rec_1"), { recursive: true });
      writeFileSync(join(server.dataDir, upload), "photo");
      const archive = await craft(server, (files) =>
        files.map((file) => ({ ...file, name: packed(String(file.name)) })),
      );
      expect(await refusals(archive)).toEqual(["name_misplaced"]);
      expect(await restore(server, archive)).toBe("restored");
      expect(existsSync(join(server.dataDir, upload))).toBe(false);
      expect(existsSync(join(server.dataDir, packed(upload)))).toBe(true);
      // What it holds now it backs up as well: there the names are its own.
      expect(await refusals(await makeBackup(server, "after.zip"))).toEqual(["name_misplaced"]);
    });
  });

  it("an archive packed by hand, with ./ names, folders and a comment, is restored; the preflight passes it", async () => {
    await withServer(defaultVersion, async (server) => {
      const dotted: Craft = (files) => [
        { name: "./storage/", data: "" },
        ...files.map((file) => ({ ...file, name: `./${file.name}` })),
      ];
      const archive = await craft(server, dotted, { dialect: "infozip", comment: "by hand" });
      expect(await refusals(archive)).toEqual([]);
      expect(await restore(server, archive)).toBe("restored");
      expect(await server.token()).not.toBe("");
    });
  });

  /** A database without tables, as SQLite itself would write it: one page, an empty leaf. */
  function emptyDatabase(): Uint8Array {
    const page = new DataView(database({ pages: 1, tables: "" }).slice().buffer);
    page.setUint32(24, 1);
    page.setUint32(44, 4);
    page.setUint32(56, 1);
    page.setUint32(92, 1);
    page.setUint32(96, 3_045_000);
    page.setUint16(105, 4096);
    return new Uint8Array(page.buffer);
  }
});
