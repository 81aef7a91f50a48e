import { describe, expect, it } from "vitest";
import { type Claim, operationClaims, refusalBy, undoClaims } from "../../src/operations/claims.ts";
import type { Operation } from "../../src/operations/operation.ts";
import { restoreData } from "../../src/operations/restore-data.ts";
import { operation } from "../harness/operation.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const HOUR = 3_600_000;

const runningOf = (kind: string, changes: Partial<Operation> = {}): Operation =>
  operation({ id: `op_${kind}`, kind, state: "running", started: NOW, ...changes });

const data = {
  ...restoreData({ safetyBackup: true, undoes: null }, { now: NOW, random: (length) => new Uint8Array(length) }),
  safetyKey: "pre_restore_1.zip",
};
const restore = (changes: Partial<Operation> = {}) => runningOf("restore", { data, ...changes });

const VERBS = ["create", "upload", "delete", "restore"];
/** What each verb is refused with for a key, in the order of `VERBS`. */
const refusals = (claims: readonly Claim[]) => VERBS.map((verb) => refusalBy(claims, verb)?.code ?? null);
const hint = (claims: readonly Claim[]) => refusalBy(claims, "delete")?.hint ?? null;

describe("a name is held", () => {
  it("by nobody: every verb may use it", () => {
    expect(refusals([])).toEqual([null, null, null, null]);
    expect(operationClaims([restore(), runningOf("delete")], "other.zip")).toEqual([]);
  });

  it("by an upload: nothing of that name is made or uploaded, each refused in its own call's words", () => {
    const upload = [{ holder: "u1", purpose: "upload", begun: true, until: NOW }];
    expect(refusals(upload)).toEqual(["upload_reserved", "upload_reserved", null, null]);
    expect(refusalBy(upload, "create")?.data).toMatchObject({ name: { code: "validation_backup_name_exists" } });
    expect(refusalBy(upload, "upload")?.data).toMatchObject({ file: { code: "validation_backup_name_exists" } });
  });

  it.each(["create", "restore", "delete", "reading"])(
    "by a running %s: its target is neither uploaded nor deleted",
    (kind) => {
      const claims = operationClaims([runningOf(kind)], "a.zip");
      expect(claims).toEqual([{ holder: `op_${kind}`, purpose: kind, begun: true, until: null }]);
      const restored = kind === "delete" ? "backup_in_use" : null;
      expect(refusals(claims)).toEqual([null, "upload_reserved", "backup_in_use", restored]);
      expect(hint(claims)).toBeNull();
    },
  );

  it("by one that waits: its target is not uploaded, and not deleted a second time", () => {
    const approval = { expires: NOW + HOUR, decidedBy: null, decidedAt: null };
    for (const waiting of [{ state: "queued" as const }, { state: "awaiting_approval" as const, approval }]) {
      for (const kind of ["create", "restore"])
        expect(refusals(operationClaims([runningOf(kind, waiting)], "a.zip"))).toEqual([
          null,
          "upload_reserved",
          null,
          null,
        ]);
      const claims = operationClaims([runningOf("delete", waiting)], "a.zip");
      expect(claims[0]).toMatchObject({ begun: false, until: "approval" in waiting ? NOW + HOUR : null });
      expect(refusals(claims)).toEqual([null, "upload_reserved", "backup_in_use", null]);
      expect(hint(claims)).toContain("waits: decide about that one or cancel it");
    }
  });

  it("by a running restore, which holds its safety backup as well as its target (SECURITY 16)", () => {
    expect(refusals(operationClaims([restore()], "a.zip"))).toEqual([null, "upload_reserved", "backup_in_use", null]);
    const safety = operationClaims([restore()], data.safetyKey);
    expect(safety).toMatchObject([{ holder: "op_restore", purpose: "safety_backup", begun: true }]);
    expect(refusals(safety)).toEqual([null, "upload_reserved", "backup_in_use", null]);
    expect(hint(safety)).toContain("A restore is running");
    const early = operationClaims([restore({ state: "queued" })], data.safetyKey);
    expect(refusals(early)).toEqual([null, "upload_reserved", null, null]);
  });

  it("by the undo of a restore: its safety backup is not deleted for 24 hours, from the moment it is made", () => {
    const safety = { key: data.safetyKey, size: 5, modified: "", directorySha256: "ab" };
    const sent = [{ name: "sent", state: "done" as const, at: NOW + HOUR }];
    const ended = restore({ state: "succeeded", data: { ...data, safety }, steps: sent });
    const claims = undoClaims([ended, runningOf("create")], safety.key);
    expect(claims).toEqual([{ holder: "op_restore", purpose: "undo_backup", begun: true, until: NOW + 25 * HOUR }]);
    expect(refusals(claims)).toEqual([null, null, "backup_in_use", null]);
    expect(hint(claims)).toContain("the way back from a restore");
    expect(undoClaims([ended], "a.zip")).toEqual([]);
    expect(undoClaims([restore()], data.safetyKey)).toEqual([]);
    const running = restore({ data: { ...data, safety } });
    expect(undoClaims([running], safety.key)).toMatchObject([{ until: NOW + 24 * HOUR }]);
  });

  it("by several: the first rule of the verb says why", () => {
    const held = [
      ...undoClaims(
        [restore({ data: { ...data, safety: { key: "a.zip", size: 1, modified: "", directorySha256: "" } } })],
        "a.zip",
      ),
      ...operationClaims([runningOf("delete", { state: "queued" })], "a.zip"),
    ];
    expect(hint(held)).toContain("decide about that one or cancel it");
    expect(hint([...held, ...operationClaims([runningOf("create")], "a.zip")])).toBeNull();
  });

  it("for a verb without rules nothing is in the way", () => {
    expect(refusalBy(operationClaims([restore()], "a.zip"), "reading")).toBeNull();
  });
});
