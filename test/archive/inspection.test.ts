import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Finding, FindingCode } from "../../src/archive/finding.ts";
import { type ArchiveInspection, inspectArchive } from "../../src/archive/inspection.ts";
import { database } from "../harness/archive/database.ts";
import { failingReader, readerOf } from "../harness/archive/reader.ts";
import { endRecord, type ZipFile, type ZipOptions, zip } from "../harness/archive/zip.ts";

/** No inspection may read more often: a Worker on the Free plan has 50 subrequests. */
const MOST_READS = 48;

const data: ZipFile = { name: "data.db", data: database() };
const auxiliary: ZipFile = { name: "auxiliary.db", data: database({ tables: "CREATE TABLE `_logs`" }) };
const types: ZipFile = { name: "types.d.ts", data: "declare const $app: any;\n".repeat(100) };
const upload: ZipFile = { name: "storage/pbc_1/rec_1/photo.png", data: "not really a photo" };
const backup = [data, auxiliary, upload, types];

async function inspect(bytes: Uint8Array): Promise<ArchiveInspection & { reads: number }> {
  const reader = readerOf(bytes);
  const result = await inspectArchive(reader, bytes.length);
  if (!result.ok) throw new Error(result.error.code);
  expect(reader.reads.length).toBeLessThanOrEqual(MOST_READS);
  return { ...result.value, reads: reader.reads.length };
}

const codes = (findings: Finding[]) => findings.map(({ code }) => code);
const found = async (files: ZipFile[], options?: ZipOptions) => codes((await inspect(zip(files, options))).findings);
const foundIn = async (bytes: Uint8Array) => codes((await inspect(bytes)).findings);

/** Not compressible, so that sizes are what they say. */
function noise(length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  let seed = 7;
  for (let at = 0; at < length; at++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = seed >>> 24;
  }
  return bytes;
}

describe("the newest file in an archive", () => {
  const newest = async (files: ZipFile[], options?: ZipOptions) => (await inspect(zip(files, options))).newestEntry;
  const changed = Date.UTC(2024, 10, 23, 12, 30, 44);

  it.each(["server", "infozip"] as const)("is told by what the %s writer writes in UTC", async (dialect) => {
    expect(await newest(backup, { dialect, changed })).toBe(changed);
  });

  it("is told by Windows' and by ZIP's own times where there is nothing better", async () => {
    const windows = Buffer.alloc(36);
    windows.writeUInt16LE(0x000a, 0);
    windows.writeUInt16LE(32, 2);
    windows.writeUInt16LE(1, 8);
    windows.writeUInt16LE(24, 10);
    windows.writeBigUInt64LE((BigInt(changed) + 11_644_473_600_000n) * 10_000n, 12);
    expect(await newest([{ ...data, extra: windows }], { dialect: "plain" })).toBe(changed);
    const dos = (year: number, month: number, day: number) => ({
      date: ((year - 1980) << 9) | (month << 5) | day,
      time: (12 << 11) | (30 << 5) | 22,
    });
    expect(await newest([{ ...data, listed: dos(2024, 11, 23) }], { dialect: "plain" })).toBe(changed);
    expect(await newest([{ ...data, listed: dos(1980, 1, 1) }, types], { dialect: "plain" })).toBe(
      Date.UTC(1980, 0, 1, 12, 30, 44),
    );
    expect(await newest(backup, { dialect: "plain" })).toBeNull();
  });

  it("is not told where there is no data.db, and a folder is no file", async () => {
    expect(await newest([upload, types], { changed })).toBeNull();
    const made = { name: "storage/", data: "", extra: Buffer.from("5554050001ffffff7f", "hex") };
    expect(await newest([made, data], { dialect: "plain" })).toBeNull();
  });
});

describe("a sound archive", () => {
  it("passes with its facts, from a handful of reads", async () => {
    const bytes = zip(backup);
    const { findings, archive, cost, reads } = await inspect(bytes);
    expect(findings).toEqual([]);
    const start = Buffer.from(bytes).readUInt32LE(bytes.length - 6);
    expect(archive).toEqual({
      entries: 4,
      uncompressed: backup.reduce((sum, { data }) => sum + data!.length, 0),
      directorySha256: createHash("sha256")
        .update(bytes.subarray(start, bytes.length - 22))
        .digest("hex"),
      database: { bytes: 3 * 4096, pageSize: 4096, pages: 3 },
    });
    expect(cost).toEqual({ reads: 1, bytes: bytes.length, localHeaders: 4 });
    expect(reads).toBe(1);
  });

  it.each(["server", "infozip", "plain"] as const)("passes as the %s writer writes it", async (dialect) => {
    const folder = { name: "storage/", data: "" };
    expect(await found([folder, ...backup], { dialect })).toEqual([]);
  });

  it("passes with ZIP64 records, whether needed or not", async () => {
    expect(await found(backup, { zip64: true })).toEqual([]);
    expect(await found([{ ...data, zip64: true }, upload])).toEqual([]);
    const counted = { entries: 4 };
    expect(await found(backup, { zip64: true, end: counted })).toEqual([]);
  });

  it("passes with a comment, and with every page size", async () => {
    expect(await found(backup, { comment: "made by hand" })).toEqual([]);
    for (const pageSize of [512, 1024, 65_536]) {
      expect(await found([{ name: "data.db", data: database({ pageSize }) }])).toEqual([]);
    }
  });

  it("takes ./data.db for data.db, as the servers do", async () => {
    expect(await found([{ ...data, name: "./data.db" }])).toEqual([]);
  });

  it("lets a missing or an empty auxiliary.db pass: the server makes a new one", async () => {
    expect(await found([data])).toEqual([]);
    expect(await found([data, { name: "auxiliary.db", data: "" }])).toEqual([]);
  });

  it("is looked into by few reads when it is large: tail, databases, their ends", async () => {
    const large = { name: "storage/video.mp4", data: noise(6 * 1024 * 1024), method: 8 };
    const { findings, cost } = await inspect(
      zip([{ ...data, data: database({ pages: 300 }) }, auxiliary, large, types]),
    );
    expect(findings).toEqual([]);
    expect(cost.reads).toBeLessThanOrEqual(5);
    expect(cost.bytes).toBeLessThan(300_000);
    expect(cost.localHeaders).toBe(2);
  });

  it("looks at one local header for each way the entries were written", async () => {
    const files = Array.from({ length: 500 }, (_, index) => ({ name: `storage/${index}`, data: noise(10_000) }));
    const folder = { name: "storage/", data: "" };
    const { findings, cost } = await inspect(zip([folder, ...files, data, auxiliary], { dialect: "server" }));
    expect(findings).toEqual([]);
    expect(cost.localHeaders).toBe(4);
  });

  it("has only a problem, not a verdict, when its bytes cannot be had", async () => {
    const bytes = zip([data, { name: "storage/large", data: noise(5_000_000) }]);
    for (const from of [0, 1]) {
      const result = await inspectArchive(failingReader(bytes, from), bytes.length);
      expect(result).toEqual({ ok: false, error: { code: "upstream_unreachable" } });
    }
    const short = await inspectArchive(async () => ({ ok: true, value: new Uint8Array(3) }), bytes.length);
    expect(short).toEqual({ ok: false, error: { code: "archive_unreadable" } });
  });
});

describe("an archive whose end or structure is wrong is refused", () => {
  const sound = zip(backup);

  it("when the file is empty", async () => {
    expect(await foundIn(new Uint8Array(0))).toEqual(["file_empty"]);
  });

  it("when it is not a ZIP, however short", async () => {
    expect(await foundIn(noise(100_000))).toEqual(["not_zip"]);
    expect(await foundIn(Buffer.from("PK"))).toEqual(["not_zip"]);
    expect(await foundIn(Buffer.alloc(1))).toEqual(["not_zip"]);
  });

  it("when it is cut off, at any place", async () => {
    for (const left of [4, 30, 200, sound.length - 40, sound.length - 22, sound.length - 1]) {
      expect(await foundIn(sound.subarray(0, left)), `${left} bytes left`).toEqual(["truncated"]);
    }
    expect(await foundIn(zip(backup, { comment: "a comment" }).subarray(0, -3))).toEqual(["truncated"]);
  });

  it("when its head is missing", async () => {
    expect(await foundIn(sound.subarray(100))).toEqual(["directory_damaged"]);
  });

  it("when something stands after the end", async () => {
    expect(await found(backup, { after: noise(10) })).toEqual(["bytes_after"]);
  });

  it("when something stands before the first file, counted in the offsets or not", async () => {
    expect(await found(backup, { before: noise(1000) })).toEqual(["bytes_before"]);
    const bytes = Buffer.from(zip([{ name: "gone", data: "x" }, ...backup]));
    const listed = bytes.indexOf(Buffer.from("504b0102", "hex"));
    const one = 46 + 4 + 9;
    const without = Buffer.concat([bytes.subarray(0, listed), bytes.subarray(listed + one)]);
    without.writeUInt16LE(4, without.length - 14);
    without.writeUInt16LE(4, without.length - 12);
    without.writeUInt32LE(without.readUInt32LE(without.length - 10) - one, without.length - 10);
    expect(await foundIn(without)).toEqual(["bytes_before"]);
  });

  it("when stray bytes lie between files, before the directory or behind it", async () => {
    expect(await found([{ ...data, after: noise(50) }, types])).toEqual(["header_differs"]);
    expect(await found([{ ...data, after: noise(70_000) }, types])).toEqual(["gap"]);
    expect(await found(backup, { beforeDirectory: noise(5) })).toEqual(["header_differs"]);
    expect(await found(backup, { afterDirectory: noise(5) })).toEqual(["gap"]);
  });

  it("when stray bytes lie between files of a large archive", async () => {
    const large = { name: "storage/large", data: noise(5_000_000) };
    expect(await found([data, large, { ...upload, after: noise(50) }, types])).toEqual(["header_differs"]);
    const scattered = Array.from({ length: 12 }, (_, index) => ({
      name: `s/${index}`,
      data: "x",
      after: noise(30 + index),
    }));
    expect(await found([data, large, ...scattered])).toEqual(["gap"]);
  });

  it("when files overlap or are listed in another order than they lie", async () => {
    expect(await found([data, { ...types, listed: { offset: 10 } }])).toEqual(["out_of_order"]);
    const bytes = zip([data, types, upload]);
    const copy = Buffer.from(bytes);
    const listed = copy.indexOf(Buffer.from("504b0102", "hex"));
    const [first, second] = [46 + 7 + 9, 46 + 10 + 9];
    const swapped = Buffer.concat([
      copy.subarray(0, listed),
      copy.subarray(listed + first, listed + first + second),
      copy.subarray(listed, listed + first),
      copy.subarray(listed + first + second),
    ]);
    expect(await foundIn(swapped)).toEqual(["bytes_before"]);
  });

  it("when it has more than one end record", async () => {
    const second = endRecord({ entries: 0, size: 0, start: 0 });
    expect(await found(backup, { comment: second })).toEqual(["several_ends"]);
    const cover = endRecord({ entries: 1, size: 1, start: 1 }, { end: { commentLength: 22 } });
    expect(await found(backup, { afterDirectory: cover })).toEqual(["several_ends"]);
    const inComment = endRecord({ entries: 0, size: 0, start: 0 }, { end: { commentLength: 3 } });
    expect(await found(backup, { comment: Buffer.concat([inComment, noise(9)]) })).toEqual(["several_ends"]);
    expect(await found(backup, { afterDirectory: second })).toEqual(["gap"]);
  });

  it("when it is a part of several", async () => {
    expect(await found(backup, { end: { disk: 1 } })).toEqual(["several_disks"]);
  });

  it("when it holds no files", async () => {
    expect(await found([])).toEqual(["no_entries"]);
  });

  it("when the end record and the directory do not agree", async () => {
    expect(await found(backup, { end: { entries: 3 } })).toEqual(["directory_damaged"]);
    expect(await found(backup, { end: { entries: 5 } })).toEqual(["directory_damaged"]);
    expect(await found(backup, { end: { start: 3 } })).toEqual(["bytes_before"]);
    expect(await found(backup, { end: { start: 0xfff_ffff } })).toEqual(["directory_damaged"]);
  });

  it.each<[string, ZipOptions]>([
    ["its records' place", { end64: { recordAt: 5 } }],
    ["the number of parts", { end64: { disks: 2 } }],
    ["the record's own size", { end64: { recordSize: 1_000_000 } }],
    ["an unmarked count", { end: { entries: 3 } }],
    ["an unmarked offset", { end: { start: 3 } }],
  ])("when ZIP64 records lie about %s", async (_, options) => {
    expect(await found(backup, { zip64: true, ...options })).toEqual(["zip64_invalid"]);
  });

  it("when ZIP64 records lie about the directory, or are announced and missing", async () => {
    expect(await found(backup, { zip64: true, end64: { entries: 5 } })).toEqual(["directory_damaged"]);
    expect(await found(backup, { zip64: true, end64: { start: 2 ** 40 } })).toEqual(["directory_damaged"]);
    expect(await found(backup, { zip64: true, end64: { size: 10 } })).toEqual(["gap"]);
    expect(await found(backup, { end: { start: 0xffff_ffff } })).toEqual(["zip64_invalid"]);
    expect(await found([{ ...data, listed: { unpacked: 0xffff_ffff } }])).toEqual(["directory_damaged"]);
  });

  it("when an entry's ZIP64 block is malformed, comes twice or contradicts the entry", async () => {
    const twice = { ...data, zip64: true, extra: Buffer.from("01000000", "hex") };
    expect(await found([twice])).toEqual(["directory_damaged"]);
    expect(await found([{ ...data, extra: Buffer.from("0100080000000000000000ff", "hex") }])).toEqual([
      "directory_damaged",
    ]);
    expect(await found([{ ...data, extra: Buffer.from("0100ff00", "hex") }])).toEqual(["directory_damaged"]);
    const other = Buffer.alloc(28);
    other.writeUInt16LE(1, 0);
    other.writeUInt16LE(24, 2);
    expect(await found([{ ...data, extra: other }])).toEqual(["directory_damaged"]);
  });

  it("when a file is encrypted", async () => {
    expect(await found([{ ...data, flags: 9 }])).toEqual(["encrypted"]);
    expect(await found([data, { ...types, flags: 8 | 0x2000 }])).toEqual(["encrypted"]);
  });

  it("when a file is packed by another method than 0 and 8", async () => {
    const { findings } = await inspect(zip([{ ...data, method: 93 }]));
    expect(findings[0]).toMatchObject({ code: "method_unknown", severity: "refuse" });
    expect(findings[0]!.message).toContain("method 93");
  });

  it.each<[string, Partial<ZipFile>]>([
    ["name", { local: { name: "evil.ts!!!" } }],
    ["length of the name", { local: { name: "evil" } }],
    ["method", { local: { method: 0 } }],
    ["size", { local: { crc: 1, packed: 2, unpacked: 3 } }],
    ["length of the extra data", { local: { extraLength: 20 } }],
    ["ZIP64 size", { local: { packed: 0xffff_ffff, unpacked: 0xffff_ffff } }],
  ])("when a file's local header tells another %s", async (_, lie) => {
    expect(await found([data, { ...types, ...lie }])).toEqual(["header_differs"]);
    expect(await found([{ ...data, ...lie }])).toEqual(["header_differs"]);
  });

  it("when the database's local header or descriptor differs in a large archive", async () => {
    const large = { name: "storage/large", data: noise(5_000_000) };
    expect(await found([large, { ...data, local: { name: "dat4.db" } }])).toEqual(["header_differs"]);
    expect(await found([large, { ...data, descriptor: { crc: 1 } }])).toEqual(["header_differs"]);
    expect(await found([large, { ...data, descriptor: { unpacked: 1 } }])).toEqual(["header_differs"]);
    expect(await found([large, data, { ...auxiliary, descriptor: { packed: 1 } }])).toEqual(["header_differs"]);
  });

  it("when its listing speaks of more data than deflate can hold, or of too much", async () => {
    expect(await found([data, { ...types, listed: { unpacked: 0xf000_0000 } }])).toEqual(["bomb"]);
    const bomb = { name: "zeros", data: "", packed: noise(5_000_000), listed: { unpacked: 4_200_000_000 } };
    expect(await found([data, bomb])).toEqual(["bomb"]);
    const huge = { name: "a", data: "", packed: noise(4_000_000), listed: { unpacked: 2_000_000_000 } };
    expect(await found([data, huge])).toEqual(["bomb"]);
  });

  it("when a stored file or a folder says two sizes", async () => {
    expect(await found([data, { name: "x", data: "abc", method: 0, listed: { unpacked: 9 } }])).toEqual([
      "header_differs",
    ]);
    expect(await found([data, { name: "x/", data: "abc" }])).toEqual(["header_differs"]);
  });
});

describe("an archive with dangerous names is refused", () => {
  it.each([
    "../evil.txt",
    "storage/../../evil.txt",
    "..\\evil.txt",
    "/etc/passwd",
    "\\\\server\\share",
    "C:/evil.txt",
    "c:\\evil.txt",
    "nul\0.txt",
    "..",
    ".",
  ])("for %j", async (name) => {
    expect(await found([data, { name, data: "x" }])).toEqual(["name_unsafe"]);
  });

  it.each([
    ["data.db", "data.db"],
    ["data.db", "./data.db"],
    ["data.db", "DATA.db"],
    ["storage/a", "storage\\a"],
    ["storage/a", "storage//a"],
    ["storage/a", "storage/./a"],
    ["storage/\u00e9", "storage/e\u0301"],
    ["storage/É", "storage/é"],
  ])("for %j and %j, which are one name", async (first, second) => {
    const rest = first === "data.db" ? [] : [data];
    expect(await found([...rest, { ...data, name: first }, { ...data, name: second }])).toEqual(["name_twice"]);
  });

  it.each([
    "storage\\pbc_1\\rec_1\\photo.png",
    "storage\\",
    "notes\\a.txt",
    "Storage/pbc_1/rec_1/photo.png",
    "STORAGE/",
    " storage/a",
    "storage /a",
    "\uff53torage/a",
    "./Storage/a",
    "Data.db-wal",
    "AUXILIARY.DB",
    "Logs.db",
  ])("for %j, which the server unpacks elsewhere than a backup of its own", async (name) => {
    const { findings } = await inspect(zip([data, { name, data: "" }]));
    expect(codes(findings)).toEqual(["name_misplaced"]);
    expect(findings[0]!.message).toContain("zip -r");
  });

  it("for a file and a folder of one name", async () => {
    expect(await found([data, { name: "storage", data: "x" }, upload])).toEqual(["name_conflict"]);
  });

  it("and the finding counts them and names the first, made safe to show", async () => {
    const names = ["../a\u202egpj.exe", "../b", "/c"];
    const { findings } = await inspect(zip([data, ...names.map((name) => ({ name, data: "x" }))]));
    expect(findings).toHaveLength(1);
    expect(findings[0]!.message).toContain(': 3, first "../a\\u{202e}gpj.exe"');
  });

  it("but dots, spaces and letters of any script inside a name are fine", async () => {
    const names = ["storage/a..b", "storage/...", "storage/ü ß.txt", "storage/日本.png", "storage/.attrs", "c:d"];
    expect(await found([data, ...names.map((name) => ({ name, data: "x" }))])).toEqual([]);
    expect(await found([data, { name: Uint8Array.of(0xff, 0xfe), data: "x" }])).toEqual([]);
  });

  it("but links and devices are only warned of: servers write them and leave them out of a restore", async () => {
    const { findings } = await inspect(zip([data, { name: "link", data: "target", mode: 0o120777 }]));
    expect(findings).toMatchObject([{ code: "links", severity: "warn" }]);
  });
});

describe("files, folders and special files are told apart as the server's reader does", () => {
  it.each<[string, Partial<ZipFile>, string[]]>([
    ["a folder by the DOS bit", { system: 0, attributes: 0x10 }, ["database_not_file"]],
    ["a folder by the bit of NTFS", { system: 11, attributes: 0x10 }, ["database_not_file"]],
    ["a file, whatever a system without that bit says", { system: 10, attributes: 0x10 }, ["database_empty"]],
    ["a file by a mode that means nothing", { mode: 0o030644 }, ["database_empty"]],
    ["a socket", { mode: 0o140644 }, ["links", "no_database"]],
  ])("%s", async (_case, file, expected) => {
    expect(await found([{ name: "data.db", data: "", ...file }])).toEqual(expected);
  });
});

describe("an archive without a usable database is refused", () => {
  it("when data.db is missing", async () => {
    expect(await found([upload, { name: "notes.txt", data: "x" }])).toEqual(["no_database"]);
  });

  it("with the reason, when it is a BosBase backup", async () => {
    const { findings } = await inspect(zip([types]));
    expect(codes(findings)).toEqual(["no_database_bosbase"]);
    expect(findings[0]!.message).toContain("PostgreSQL");
    expect(await found([types, upload])).toEqual(["no_database_bosbase"]);
  });

  it("when data.db lies in a folder", async () => {
    const { findings } = await inspect(zip([{ ...data, name: "pb_data/data.db" }]));
    expect(codes(findings)).toEqual(["database_in_folder"]);
    expect(findings[0]!.message).toContain("pb_data/data.db");
  });

  it("when its name has another case", async () => {
    expect(await found([{ ...data, name: "Data.DB" }])).toEqual(["name_misplaced", "no_database"]);
  });

  it("when data.db is a link", async () => {
    expect(await found([{ ...data, mode: 0o120777 }])).toEqual(["links", "no_database"]);
  });

  it.each([
    ["data.db is", [{ name: "data.db/", data: "" }]],
    ["data.db by its mode is", [{ name: "data.db", data: "", mode: 0o040755 }]],
    ["data.db by its content is", [{ name: "data.db/x", data: "x" }]],
    ["data.db-wal is", [data, { name: "data.db-wal/x", data: "x" }]],
    ["auxiliary.db is", [data, { name: "auxiliary.db/", data: "" }]],
  ])("when %s a folder", async (_, files) => {
    expect(await found(files)).toEqual(["database_not_file"]);
  });

  it("when data.db is empty", async () => {
    expect(await found([{ name: "data.db", data: "" }])).toEqual(["database_empty"]);
  });

  it.each<[string, Uint8Array | string]>([
    ["text", "this is not a database ".repeat(500)],
    ["shorter than a header", "SQLite format 3\0"],
    ["of a page size SQLite does not know", Buffer.from(database()).fill(3, 16, 18)],
    ["of a newer format", Buffer.from(database()).fill(3, 18, 20)],
    ["with other fractions", Buffer.from(database()).fill(65, 21, 22)],
  ])("when data.db is %s", async (_, content) => {
    expect(await found([{ name: "data.db", data: content }])).toEqual(["database_not_sqlite"]);
    expect(await found([{ name: "data.db", data: content }], { dialect: "plain" })).toEqual(["database_not_sqlite"]);
  });

  it("when it has fewer pages than its header says, or more", async () => {
    expect(await found([{ name: "data.db", data: database({ pages: 3, stated: 4 }) }])).toEqual(["database_cut"]);
    expect(await found([{ name: "data.db", data: database({ pages: 3, stated: 2 }) }])).toEqual(["database_longer"]);
    expect(await found([{ name: "data.db", data: database({ pages: 3, stated: 0 }) }])).toEqual(["database_longer"]);
    expect(await found([{ name: "data.db", data: Buffer.concat([database(), noise(7)]) }])).toEqual([
      "database_longer",
    ]);
  });

  it("when its data cannot be unpacked or its first page is damaged", async () => {
    const broken = { ...data, packed: Buffer.concat([Buffer.from([7]), noise(9_000)]) };
    expect(await found([broken])).toEqual(["database_damaged"]);
    const nothing = { ...data, packed: deflateRawSync(Buffer.alloc(0)), listed: { unpacked: 900 } };
    expect(await found([nothing])).toEqual(["database_damaged"]);
    expect(await found([{ name: "data.db", data: database({ pageType: 0 }) }])).toEqual(["database_damaged"]);
  });

  it("when it is another application's", async () => {
    const foreign = database({ tables: "CREATE TABLE customers" });
    expect(await found([{ name: "data.db", data: foreign }])).toEqual(["database_foreign"]);
    const grown = database({ tables: "", pageType: 5 });
    expect(await found([{ name: "data.db", data: grown }])).toEqual([]);
  });

  it("when auxiliary.db would keep the server from starting", async () => {
    expect(await found([data, { name: "auxiliary.db", data: "garbage".repeat(99) }])).toEqual(["database_not_sqlite"]);
    expect(await found([data, { name: "auxiliary.db", data: database({ stated: 9 }) }])).toEqual(["database_cut"]);
  });

  it("but changes that were not merged yet are only warned of, with the size they excuse", async () => {
    const wal = { name: "data.db-wal", data: noise(4152) };
    const { findings } = await inspect(zip([{ name: "data.db", data: database({ stated: 9 }) }, wal]));
    expect(findings).toMatchObject([{ code: "unmerged", severity: "warn" }]);
    expect(findings[0]!.message).toContain("4.1 KiB");
    expect(await found([data, { name: "data.db-wal", data: "" }])).toEqual([]);
  });
});

describe("limits", () => {
  it("reads a directory of 200,000 entries in windows, and refuses one more unread", async () => {
    const { bytes, expected } = manyEntries(200_000);
    const { findings, archive, cost } = await inspect(bytes);
    expect(findings).toEqual([]);
    expect(archive!.entries).toBe(200_000);
    expect(archive!.directorySha256).toBe(expected);
    expect(cost.localHeaders).toBe(1);
    const more = manyEntries(200_001);
    const refused = await inspect(more.bytes);
    expect(codes(refused.findings)).toEqual(["too_many_entries"]);
    expect(refused.findings[0]!.message).toContain("200,001");
    expect(refused.reads).toBe(1);
  }, 60_000);

  it("refuses a directory of more than 32 MiB unread", async () => {
    const fill = Buffer.alloc(33 * 1024 * 1024);
    const { findings, reads } = await inspect(
      zip([data], { afterDirectory: fill, end: { size: fill.length + 46 + 7 + 9 } }),
    );
    expect(codes(findings)).toEqual(["directory_too_large"]);
    expect(reads).toBe(1);
  });

  it("finds the one duplicate among many", async () => {
    const files = Array.from({ length: 3_000 }, (_, index) => ({ name: `storage/${index}`, data: "" }));
    expect(await found([data, ...files, { name: "STORAGE/1234", data: "" }])).toEqual(["name_twice"]);
  });
});

describe("whatever the bytes", () => {
  const sound = zip(backup, { zip64: true });
  const large = zip([data, { name: "storage/large", data: noise(4_300_000) }, auxiliary, types]);
  const known = new Set<FindingCode | "none">();

  async function survives(bytes: Uint8Array) {
    const { findings } = await inspect(bytes);
    known.add(findings[0]?.code ?? "none");
  }

  it("flipped bytes end in a verdict, after few reads", async () => {
    const anywhere = fc.nat(sound.length - 1);
    const inDirectoryOrEnd = fc.integer({ min: sound.length - 480, max: sound.length - 1 });
    const flip = fc.tuple(fc.oneof(anywhere, inDirectoryOrEnd), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), async (flips) => {
        const bytes = sound.slice();
        for (const [at, value] of flips) bytes[at] = value;
        await survives(bytes);
      }),
      { numRuns: 3_000 },
    );
    expect(known.size).toBeGreaterThan(8);
  });

  it("flipped bytes near the end and at the headers of a large archive end in a verdict", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fc.nat(60), fc.integer({ min: 0, max: 255 }), async (back, front, value) => {
        const bytes = large.slice();
        bytes[bytes.length - 1 - back] = value;
        bytes[front] = value;
        await survives(bytes);
      }),
      { numRuns: 150 },
    );
  });

  it("cut and glued archives end in a verdict, and none that lost a byte passes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(sound.length - 2), async (left) => {
        const { findings } = await inspect(sound.subarray(0, left + 1));
        expect(findings[0]?.severity).toBe("refuse");
      }),
      { numRuns: 200 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), async (before, after) => {
        await survives(Buffer.concat([before, sound, after]));
        await survives(Buffer.concat([before, Buffer.from("504b0506", "hex"), after]));
      }),
      { numRuns: 200 },
    );
  });

  it("an honest archive passes, whoever wrote it and whatever it holds", async () => {
    const file = fc.record({ name: fc.stringMatching(/^[a-z0-9_ ]{1,30}$/), data: fc.uint8Array({ maxLength: 900 }) });
    const files = fc.uniqueArray(file, { selector: ({ name }) => name, maxLength: 30 });
    const dialect = fc.constantFrom("server", "infozip", "plain" as const);
    await fc.assert(
      fc.asyncProperty(files, dialect, fc.boolean(), async (files, dialect, zip64) => {
        const uploads = files.map(({ name, data }) => ({ name: `storage/${name}`, data }));
        const { findings, archive } = await inspect(zip([...uploads, data], { dialect: dialect as "server", zip64 }));
        expect(findings).toEqual([]);
        expect(archive!.entries).toBe(files.length + 1);
      }),
      { numRuns: 200 },
    );
  });
});

/** An archive of very many tiny files, built in one buffer. */
function manyEntries(count: number): { bytes: Uint8Array; expected: string } {
  const first = zip([data]);
  const listed = Buffer.from(first).indexOf(Buffer.from("504b0102", "hex"));
  const parts: Uint8Array[] = [first.subarray(0, listed)];
  const template = Buffer.from(zip([{ name: `storage/pbc_1/${"0".repeat(7)}/file.png`, data: "x" }]));
  const split = template.indexOf(Buffer.from("504b0102", "hex"));
  const [local, entry] = [template.subarray(0, split), template.subarray(split, template.length - 22)];
  const locals = Buffer.alloc(local.length * (count - 1));
  const entries = Buffer.alloc(entry.length * (count - 1));
  for (let index = 0; index < count - 1; index++) {
    const name = `${index}`.padStart(7, "0");
    local.copy(locals, index * local.length);
    locals.write(name, index * local.length + 30 + 14, "latin1");
    entry.copy(entries, index * entry.length);
    entries.write(name, index * entry.length + 46 + 14, "latin1");
    entries.writeUInt32LE(listed + index * local.length, index * entry.length + 42);
  }
  const directory = Buffer.concat([first.subarray(listed, first.length - 22), entries]);
  const start = listed + locals.length;
  const fields = { entries: count, size: directory.length, start };
  const empty = Buffer.from(zip([], { zip64: true }));
  empty.writeBigUInt64LE(BigInt(count), 24);
  empty.writeBigUInt64LE(BigInt(count), 32);
  empty.writeBigUInt64LE(BigInt(fields.size), 40);
  empty.writeBigUInt64LE(BigInt(start), 48);
  empty.writeBigUInt64LE(BigInt(start + directory.length), 56 + 8);
  parts.push(locals, directory, empty);
  return { bytes: Buffer.concat(parts), expected: createHash("sha256").update(directory).digest("hex") };
}
