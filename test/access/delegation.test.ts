import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AccessRequest, decide } from "../../src/access/decision.ts";
import { type Manager, mayChange, mayManage, mayMint } from "../../src/access/delegation.ts";
import type { ApiKey, Lineage } from "../../src/access/key.ts";
import { effectiveExpiry, effectiveScopes, lineageOf } from "../../src/access/lineage.ts";
import { rotate } from "../../src/access/rotation.ts";
import { type Scope, scopes } from "../../src/access/scope.ts";
import { secretDigest } from "../../src/access/token.ts";
import { aKey, NOW } from "../harness/key.ts";

const code = (answer: { ok: true } | { ok: false; error: { code: string } }) => (answer.ok ? "ok" : answer.error.code);
const root = aKey({ id: "root", scopes: ["keys:write", "backups:list", "backups:create"], expires: NOW + 1000 });
const child = aKey({ id: "child", parent: "root", scopes: ["keys:write", "backups:list"], expires: NOW + 500 });
const grandchild = aKey({ id: "grandchild", parent: "child", scopes: ["backups:list"] });
const other = aKey({ id: "other" });

describe("minting", () => {
  it("gives only what every key above has, and says what is missing", () => {
    const below: Lineage = [child, root];
    expect(mayMint(below, { scopes: ["backups:list"], expires: null }, NOW)).toEqual({
      ok: true,
      value: { expires: NOW + 500 },
    });
    expect(
      mayMint(below, { scopes: ["backups:list", "backups:create", "audit:read"], expires: NOW + 501 }, NOW),
    ).toEqual({
      ok: false,
      error: {
        code: "rights_exceeded",
        data: {
          scopes: {
            code: "validation_exceeds_lineage",
            message: "A key above it does not have backups:create, audit:read.",
          },
          expires: {
            code: "validation_exceeds_lineage",
            message: "A key above it expires at 2026-11-22T10:00:00.500Z.",
          },
        },
      },
    });
    expect(mayMint([root], { scopes: ["backups:create"], expires: NOW + 1000 }, NOW)).toEqual({
      ok: true,
      value: { expires: NOW + 1000 },
    });
  });

  it("ends at the third level", () => {
    expect(code(mayMint([child, root], { scopes: [], expires: null }, NOW))).toBe("ok");
    expect(code(mayMint([grandchild, child, root], { scopes: [], expires: null }, NOW))).toBe("lineage_too_deep");
  });

  it("is free for the administrator, but for an expiry that has passed", () => {
    const everything = { scopes, expires: null };
    expect(mayMint("administrator", everything, NOW)).toEqual({ ok: true, value: { expires: null } });
    expect(mayMint("administrator", { ...everything, expires: NOW }, NOW)).toMatchObject({
      error: { code: "invalid_request", data: { expires: {} } },
    });
  });
});

describe("changing", () => {
  it("is for one's own descendants: oneself is refused, others are not there", () => {
    const target: Lineage = [grandchild, child, root];
    for (const [actor, expected] of [
      ["administrator", "ok"],
      [[root], "ok"],
      [[child, root], "ok"],
      [target, "own_key"],
      [[other], "not_found"],
      [[aKey({ id: "sibling", parent: "child" }), child, root], "not_found"],
    ] as [Manager, string][]) {
      expect(code(mayManage(actor, target))).toBe(expected);
      expect(code(mayChange(actor, target, {}))).toBe(expected);
    }
    expect(code(mayManage([grandchild, child, root], [child, root]))).toBe("not_found");
  });

  it("never widens beyond the keys above, whoever asks; what is left out is not looked at", () => {
    const target: Lineage = [aKey({ ...grandchild, scopes: [...scopes] }), child, root];
    for (const actor of ["administrator", [root], [child, root]] as Manager[]) {
      expect(code(mayChange(actor, target, { scopes: ["backups:list"], expires: NOW + 500 }))).toBe("ok");
      expect(code(mayChange(actor, target, {}))).toBe("ok");
      expect(code(mayChange(actor, target, { expires: null }))).toBe("ok");
      expect(code(mayChange(actor, target, { scopes: ["backups:create"] }))).toBe("rights_exceeded");
      expect(code(mayChange(actor, target, { expires: NOW + 501 }))).toBe("rights_exceeded");
    }
    expect(code(mayChange("administrator", [root], { scopes, expires: null }))).toBe("ok");
  });
});

describe("random key trees", () => {
  const names = ["nightly-1.zip", "weekly.zip", "x.zip"];
  const addresses = ["203.0.113.9", "2001:db8::1", null];
  const some: Scope[] = ["backups:list", "backups:download", "backups:restore", "keys:write"];
  const limits = fc.record({
    scopes: fc.subarray(some, { minLength: 1 }),
    patterns: fc.subarray(["*", "nightly-*", "?.zip", "weekly.zip"], { minLength: 1 }),
    networks: fc.oneof(fc.constant<string[]>([]), fc.subarray(["203.0.113.0/24", "2001:db8::/32"])),
    notBefore: fc.option(fc.integer({ min: NOW - 50, max: NOW + 50 }), { freq: 1 }),
    expires: fc.option(fc.integer({ min: NOW + 1, max: NOW + 100 }), { freq: 1 }),
    approval: fc.subarray(some, { maxLength: 2 }),
  });
  /** Mostly asks for what it can get, so that the trees grow; else for anything. */
  const asked = fc.record({ limits, modest: fc.boolean() });
  const mint = fc.record({ do: fc.constant("mint" as const), actor: fc.nat(), asked });
  const step = fc.oneof(
    { arbitrary: mint, weight: 3 },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("patch" as const),
        actor: fc.nat(),
        target: fc.nat(),
        asked,
        disabled: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("rotate" as const), actor: fc.nat(), target: fc.nat() }) },
  );

  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

  /** What keys alone can do to the tree, the administrator having made the root. Refusals change nothing. */
  function grow(rootLimits: Partial<ApiKey>, steps: Step[]): Map<string, ApiKey> {
    const keys = new Map([["k0", aKey({ ...rootLimits, id: "k0" })]]);
    const within = (above: Lineage, { limits: all, modest }: Extract<Step, { do: "mint" }>["asked"]) => {
      const end = effectiveExpiry(above);
      if (!modest) return all;
      const held = effectiveScopes(above);
      return { ...all, scopes: all.scopes.filter((scope) => held.includes(scope)), expires: end ?? all.expires };
    };
    const pick = (n: number) => lineageOf((id) => keys.get(id) ?? null, `k${n % keys.size}`)!;
    for (const [index, next] of steps.entries()) {
      const actor = pick(next.actor);
      if (next.do === "mint") {
        const wanted = within(actor, next.asked);
        const allowed = mayMint(actor, wanted, NOW);
        if (!allowed.ok) continue;
        const id = `k${keys.size}`;
        keys.set(id, aKey({ ...wanted, ...allowed.value, id, parent: actor[0].id }));
      } else if (next.do === "patch") {
        const target = pick(next.target);
        const wanted = within(target, next.asked);
        if (mayChange(actor, target, wanted).ok)
          keys.set(target[0].id, { ...target[0], ...wanted, disabled: next.disabled });
      } else {
        const target = pick(next.target);
        if (!mayManage(actor, target).ok) continue;
        const done = rotate(target[0], secretDigest(`secret ${index}`), 60, NOW);
        if (done.ok) keys.set(target[0].id, done.value);
      }
    }
    return keys;
  }

  const nothingCounted = {
    rate: () => ({ limit: 1, remaining: 1, resetSeconds: 0, retryAfterSeconds: 0 }),
    quota: () => 0,
  };
  const attempts = function* (lineage: Lineage): Generator<AccessRequest> {
    for (const scope of some)
      for (const backupKey of names)
        for (const address of addresses)
          for (const at of [NOW - 60, NOW, NOW + 40, NOW + 150])
            yield { lineage, match: "current", by: "key", at, address, scopes: [scope], backupKey };
  };

  it("hold no key with a right, or without an approval, that its root lacks, whatever keys mint, PATCH and rotate", () => {
    const grants = [0, 0, 0];
    fc.assert(
      fc.property(
        limits,
        fc.array(step, { minLength: 5, maxLength: 25 }),
        fc.option(limits),
        (rootLimits, steps, narrowed) => {
          const keys = grow(rootLimits, steps);
          expect(keys.get("k0")).toMatchObject(rootLimits);
          for (const key of keys.values()) expect(rootLimits.scopes).toEqual(expect.arrayContaining(key.scopes));
          // What an administrator takes from the root afterwards is gone below it too.
          const top = { ...keys.get("k0")!, ...narrowed };
          keys.set("k0", top);
          for (const key of keys.values()) {
            const lineage = lineageOf((id) => keys.get(id) ?? null, key.id)!;
            for (const attempt of attempts(lineage)) {
              const decision = decide(attempt, nothingCounted);
              if (!decision.ok) continue;
              grants[lineage.length - 1]!++;
              const above = decide({ ...attempt, lineage: [top] }, nothingCounted);
              if (!above.ok || (above.value.needsApproval && !decision.value.needsApproval))
                throw new Error(`${key.id} exceeds its root`);
            }
          }
        },
      ),
      { numRuns: 100 },
    );
    for (const count of grants) expect(count).toBeGreaterThan(100);
  }, 60_000);

  it("end altogether when the root is disabled, and below any key that is", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 25 }), fc.nat(), (steps, which) => {
        const keys = grow({}, steps);
        const stopped = `k${which % keys.size}`;
        keys.set(stopped, { ...keys.get(stopped)!, disabled: true });
        for (const id of keys.keys()) {
          const lineage = lineageOf((next) => keys.get(next) ?? null, id)!;
          if (!lineage.some((key) => key.id === stopped)) continue;
          const decision = decide(
            { lineage, match: "current", by: "key", at: NOW, address: null, scopes: [] },
            nothingCounted,
          );
          expect(decision).toMatchObject({
            ok: false,
            error: { reason: "disabled", problem: { code: "unauthenticated" } },
          });
        }
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});
