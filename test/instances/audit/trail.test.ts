import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { excess } from "../../../src/instances/audit/ring.ts";
import { create, onStage, remove, type Stage, T0 } from "../../harness/instance-parts.ts";

const everything = { limit: 200, cursor: null, verdict: null, action: null, actor: null };
const cancel = (id: string) => ({ do: "operations.cancel" as const, id });
const trail = (stage: Stage, as?: ReturnType<Stage["key"]>) =>
  stage.ask({ do: "audit.list", ...everything }, as).then(({ items }) => items);

describe("the audit", () => {
  it("keeps what was done, whatever a key does to nothing; that counts like denials and is slowed like them", async () => {
    await onStage({}, async (stage) => {
      const key = stage.key();
      await stage.ended(await stage.ask(create("made.zip"), key));
      const answers = new Map<string, number>();
      for (let time = 0; time < 200; time++) {
        const code = await stage.refusal(cancel("op_x"), key);
        answers.set(code, (answers.get(code) ?? 0) + 1);
      }
      expect(Object.fromEntries(answers)).toEqual({ operation_not_found: 60, rate_limited: 140 });
      const rows = await trail(stage, stage.key());
      expect(rows.filter(({ verdict }) => verdict === "allowed").map(({ action }) => action)).toEqual([
        "backups.create",
      ]);
      expect(rows.filter(({ verdict }) => verdict === "denied")).toMatchObject([
        { action: "operations.cancel", target: "op_x", code: "operation_not_found", detail: "nothing", times: 200 },
      ]);
      expect(await stage.refusal({ do: "operations.list", limit: 1, cursor: null, state: null, kind: null })).toBe(
        "admitted",
      );
    });
  });

  it("of one key is not pushed out by what another one does", async () => {
    await onStage({}, async (stage) => {
      const { audit } = stage.parts;
      const caller = { credential: { kind: "admin" as const }, address: null, userAgent: "", requestId: "r" };
      for (let row = 0; row < 40; row++) audit.admit({ kind: "key", id: "quiet" }, "download", `q${row}.zip`, caller);
      for (let row = 0; row < 21_000; row++) audit.admit({ kind: "key", id: "loud" }, "download", "l.zip", caller);
      const count = (actor: string) =>
        Number(stage.storage.sql.exec("SELECT count(*) AS rows FROM audit WHERE actor = ?", actor).one().rows);
      expect(count("key:quiet")).toBe(40);
      expect(count("key:loud")).toBeLessThan(20_500);
      expect(count("key:loud")).toBeGreaterThan(19_000);
    });
  });

  it("cuts whoever has the most, to the limit and not below it", () => {
    expect(excess([{ actor: "a", rows: 5 }], 5)).toEqual(new Map());
    expect(
      Object.fromEntries(
        excess(
          [
            { actor: "a", rows: 3 },
            { actor: "b", rows: 10 },
            { actor: "c", rows: 8 },
          ],
          15,
        ),
      ),
    ).toEqual({ b: 4, c: 2 });
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 9 }), fc.nat(900), (counts, most) => {
        const holdings = counts.map((rows, at) => ({ actor: `a${at}`, rows }));
        const gone = excess(holdings, most);
        const left = holdings.map(({ actor, rows }) => rows - (gone.get(actor) ?? 0));
        const total = left.reduce((sum, rows) => sum + rows, 0);
        expect(Math.min(0, ...left)).toBe(0);
        const before = counts.reduce((sum, rows) => sum + rows, 0);
        expect(total).toBe(Math.min(before, most));
        // Who was cut has no fewer than who was not, but for the rounding.
        const cut = holdings.flatMap(({ actor }, at) => (gone.get(actor) ? [left[at]!] : []));
        const whole = holdings.flatMap(({ actor }, at) => (gone.get(actor) ? [] : [left[at]!]));
        if (cut.length > 0 && whole.length > 0) expect(Math.min(...cut) + 1).toBeGreaterThanOrEqual(Math.max(...whole));
      }),
    );
  });

  it("shows a key what its patterns and its lineage admit", async () => {
    await onStage({}, async (stage) => {
      for (const name of ["a-1.zip", "b-1.zip", "b-2.zip"]) await stage.fake.make(name, T0 - 3_600_000);
      await stage.pass(200_000);
      const other = stage.key({ name: "other" });
      const reader = stage.key({ name: "reader", patterns: ["a-*"] });
      const below = stage.key({ name: "below", parent: reader.id });
      const auditor = stage.key({ scopes: ["audit:read"] });
      await stage.ended(await stage.ask(remove("a-1.zip"), other));
      await stage.ended(await stage.ask(remove("b-1.zip"), other));
      await stage.ask({ do: "keys.change", id: other.id, change: { note: "x" } });
      await stage.ask({ do: "keys.change", id: below.id, change: { note: "x" } }, reader);
      expect(await stage.refusal(remove("b-2.zip"), below)).toBe("backup_not_found");
      expect(await stage.refusal(cancel("op_x"), other)).toBe("operation_not_found");
      const shown = (rows: Awaited<ReturnType<typeof trail>>) =>
        rows.map(({ action, target, verdict }) => `${verdict} ${action} ${target}`.trim()).sort();
      const all = shown(await trail(stage));
      expect(shown(await trail(stage, auditor))).toEqual(all);
      expect(shown(await trail(stage, reader))).toEqual(
        ["allowed backups.delete a-1.zip", `allowed keys.change ${below.id}`, "denied backups.delete b-2.zip"].sort(),
      );
      expect(shown(await trail(stage, below))).toEqual([
        "allowed backups.delete a-1.zip",
        "denied backups.delete b-2.zip",
      ]);
    });
  });
});
