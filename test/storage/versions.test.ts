import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { Instance } from "../../src/instances/instance.ts";
import { instanceSteps } from "../../src/instances/schema.ts";
import { migrate, storedVersion } from "../../src/storage/migrate.ts";
import { anInstance, call, directory, rows } from "../harness/worker.ts";

describe("stored data of another version", () => {
  const sql = (stub: DurableObjectStub<Instance>, query: string) => rows(stub, query);

  it("is refused with a sentence when it is newer, and works again with the version that wrote it", async () => {
    const { stub, mint } = await anInstance();
    const { key } = await mint();
    await sql(stub, "UPDATE schema_version SET version = version + 7 RETURNING version");
    await evictDurableObject(stub);
    const refused = await call("/api/backups", { as: key });
    expect([refused.status, refused.json.code]).toEqual([503, "storage_too_new"]);
    expect(refused.json.message).toMatch(/^The stored data has version \d+, this relay knows \d+\.$/);
    await sql(stub, "UPDATE schema_version SET version = version - 7 RETURNING version");
    await evictDurableObject(stub);
    expect((await call("/api/backups", { as: key })).status).toBe(200);
  });

  it("stays as it is when its migration fails", async () => {
    const { stub } = await anInstance();
    await runInDurableObject(stub, (_object, { storage }) => {
      const before = storage.sql.exec("SELECT name, sql FROM sqlite_master ORDER BY name").toArray();
      const failing = [
        ...instanceSteps,
        ["CREATE TABLE added (a TEXT)", "DELETE FROM meta", "INSERT INTO nowhere VALUES (1)"],
      ];
      const migrated = migrate(storage, failing);
      expect(migrated).toMatchObject({ ok: false, error: { code: "migration_failed" } });
      expect(storage.sql.exec("SELECT name, sql FROM sqlite_master ORDER BY name").toArray()).toEqual(before);
      expect(storage.sql.exec("SELECT count(*) AS rows FROM meta").one().rows).toBeGreaterThan(0);
      expect(storedVersion(storage.sql)).toBe(instanceSteps.length);
      expect(migrate(storage, [...instanceSteps, ["CREATE TABLE added (a TEXT)"]]).ok).toBe(true);
      expect(storedVersion(storage.sql)).toBe(instanceSteps.length + 1);
    });
  });

  it("is refused in words by the directory too", async () => {
    const { name } = await anInstance();
    await rows(directory(), "UPDATE schema_version SET version = version + 7 RETURNING version");
    await evictDurableObject(directory());
    const refused = await call(`/v1/instances/${name}`);
    expect([refused.status, refused.json.code]).toEqual([503, "storage_too_new"]);
    expect(refused.json.message).toMatch(/version/);
    expect(refused.headers.get("x-request-id")).toBe(refused.json.requestId);
  });
});
