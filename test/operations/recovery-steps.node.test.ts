import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { defaultVersion, previousVersion } from "../../scripts/pocketbase-versions.ts";
import { wayBack } from "../../src/operations/way-back.ts";
import { unzip } from "../harness/archive/unzip.ts";
import { zip } from "../harness/archive/zip.ts";
import { startPocketBase } from "../harness/pocketbase.ts";
import { call, makeBackup, restore } from "../harness/pocketbase-calls.ts";

it.each([defaultVersion, previousVersion])(
  "the command brings PocketBase %s back with its data after a restore that ended it for good",
  async (version) => {
    const first = await startPocketBase({ version });
    const folder = dirname(first.dataDir);
    try {
      const files = await unzip(await makeBackup(first));
      const kept = { email: "kept@example.com", password: "0123456789", passwordConfirm: "0123456789" };
      const made = await call(first, "POST", "/api/collections/_superusers/records", kept);
      const { id } = (await made.json()) as { id: string };
      const broken = files.map((file) => (file.name === "auxiliary.db" ? { ...file, data: "no database" } : file));
      expect(await restore(first, zip(broken))).toBe("dead");

      execFileSync("sh", ["-c", wayBack], { cwd: folder });
      const second = spawnSync("sh", ["-c", wayBack], { cwd: folder, encoding: "utf8" });
      expect([second.status, second.stderr]).toEqual([1, expect.stringMatching(/^Nothing was moved: /)]);
      const again = await startPocketBase({ version, dataDir: first.dataDir });
      try {
        expect((await call(again, "GET", `/api/collections/_superusers/records/${id}`)).status).toBe(200);
        const backups = (await (await call(again, "GET", "/api/backups")).json()) as { key: string }[];
        expect(backups.map(({ key }) => key)).toContain("made.zip");
        expect(existsSync(join(folder, "pb_data_of_the_restore", "auxiliary.db"))).toBe(true);
      } finally {
        await again.stop();
      }
    } finally {
      await first.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
);
