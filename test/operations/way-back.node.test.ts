import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { wayBack } from "../../src/operations/way-back.ts";

const OLD = "pb_data/.pb_temp_to_delete/old_pb_data_1a2b3c4d";
const UNPACKED = "pb_data/.pb_temp_to_delete/pb_restore_5e6f7a8b";
const ASIDE = "pb_data_of_the_restore";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "relay-way-back-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Files by path; each holds what the test says. */
async function laid(files: Record<string, string>) {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

async function found(): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = files.map(async (path) => [path.slice(folder.length + 1), await readFile(path, "utf8")] as const);
  return Object.fromEntries(await Promise.all(texts));
}

const run = (shell = "sh", before = "") => {
  const { status, stdout, stderr } = spawnSync(shell, ["-c", `${before}${wayBack}`], { cwd: folder, encoding: "utf8" });
  return { status, said: `${stdout}${stderr}`.trim() };
};

describe.each(["sh", "bash"])("the command that puts the old data back, in %s,", (shell) => {
  it.each<[string, Record<string, string>, string]>([
    ["there is no pb_data", { "other/data.db": "x" }, "there is no pb_data here"],
    ["no restore began", { "pb_data/data.db": "now" }, "no old data"],
    [
      "a restore failed while it unpacked, or a start deleted the old data",
      { "pb_data/data.db": "now", [`${UNPACKED}/data.db`]: "new" },
      "no old data",
    ],
    ["the server took its moves back", { "pb_data/data.db": "now", [`${OLD}/`]: "" }, "no old data"],
    [
      "two folders hold old data",
      { "pb_data/data.db": "now", [`${OLD}/data.db`]: "old", [`${OLD}2/data.db`]: "older" },
      "several folders",
    ],
    ["there is no database at all", { "pb_data/a": "", [`${OLD}/auxiliary.db`]: "old" }, "no data.db"],
    [
      "it was run before",
      { "pb_data/data.db": "now", [`${OLD}/data.db`]: "old", [`${ASIDE}/data.db`]: "new" },
      `${ASIDE} exists already`,
    ],
  ])("moves nothing and says why when %s", async (_case, files, words) => {
    const { [`${OLD}/`]: empty, ...rest } = files;
    await laid(rest);
    if (empty !== undefined) await mkdir(join(folder, OLD), { recursive: true });
    const before = await found();
    const { status, said } = run(shell);
    expect(status).toBe(1);
    expect(said).toMatch(/^Nothing was moved: /);
    expect(said).toContain(words);
    expect(await found()).toEqual(before);
    if (!(`${ASIDE}/data.db` in files)) expect(existsSync(join(folder, ASIDE))).toBe(false);
  });

  it("swaps everything a restore moves when its data is in place", async () => {
    await laid({
      "pb_data/data.db": "new",
      "pb_data/data.db-wal": "of a start that failed",
      "pb_data/storage/a/b.png": "new",
      "pb_data/.hidden": "new",
      "pb_data/backups/a.zip": "zip",
      "pb_data/lost+found/x": "x",
      [`${OLD}/data.db`]: "old",
      [`${OLD}/storage/a/b c.png`]: "old",
      [`${OLD}/-n $HOME`]: "old",
      [`${OLD}/.kept`]: "old",
    });
    expect(run(shell)).toMatchObject({ status: 0 });
    expect(await found()).toEqual({
      "pb_data/data.db": "old",
      "pb_data/storage/a/b c.png": "old",
      "pb_data/-n $HOME": "old",
      "pb_data/.kept": "old",
      "pb_data/backups/a.zip": "zip",
      "pb_data/lost+found/x": "x",
      [`${ASIDE}/data.db`]: "new",
      [`${ASIDE}/data.db-wal`]: "of a start that failed",
      [`${ASIDE}/storage/a/b.png`]: "new",
      [`${ASIDE}/.hidden`]: "new",
    });
  });

  it("leaves in place what a restore had not moved away yet when the server was killed", async () => {
    await laid({
      [`${OLD}/auxiliary.db`]: "old",
      "pb_data/data.db": "old",
      "pb_data/data.db-wal": "old",
      "pb_data/storage/a.png": "old",
      [`${UNPACKED}/data.db`]: "new",
    });
    expect(run(shell)).toMatchObject({ status: 0 });
    expect(await found()).toEqual({
      "pb_data/auxiliary.db": "old",
      "pb_data/data.db": "old",
      "pb_data/data.db-wal": "old",
      "pb_data/storage/a.png": "old",
      [`${UNPACKED}/data.db`]: "new",
    });
  });

  it("puts aside what a restore had moved in when the server was killed", async () => {
    await laid({
      [`${OLD}/auxiliary.db`]: "old",
      [`${OLD}/data.db`]: "old",
      [`${OLD}/storage/a.png`]: "old",
      "pb_data/auxiliary.db": "new",
      [`${UNPACKED}/data.db`]: "new",
    });
    expect(run(shell)).toMatchObject({ status: 0 });
    expect(await found()).toEqual({
      "pb_data/auxiliary.db": "old",
      "pb_data/data.db": "old",
      "pb_data/storage/a.png": "old",
      [`${ASIDE}/auxiliary.db`]: "new",
      [`${UNPACKED}/data.db`]: "new",
    });
  });

  it.runIf(spawnSync("fuser", ["-V"]).error === undefined)(
    "moves nothing while the server has its database open",
    async () => {
      await laid({ "pb_data/data.db": "new", [`${OLD}/data.db`]: "old" });
      const before = await found();
      const { status, said } = run("bash", "exec 3<pb_data/data.db; ");
      expect([status, said]).toEqual([1, expect.stringMatching(/^Nothing was moved: .*Stop the server/)]);
      expect(await found()).toEqual(before);
    },
  );
});

it("the command is one line of POSIX shell that does nothing when its end is cut off", async () => {
  expect(wayBack).not.toMatch(/\n/);
  expect(wayBack.slice(7, -1)).not.toContain("'");
  await laid({ "pb_data/data.db": "new", [`${OLD}/data.db`]: "old" });
  const before = await found();
  for (let end = 10; end < wayBack.length; end += 37) {
    expect(spawnSync("sh", ["-c", wayBack.slice(0, end)], { cwd: folder }).status).not.toBe(0);
    expect(await found()).toEqual(before);
  }
});
