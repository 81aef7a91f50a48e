import { describe, expect, it } from "vitest";
import { admit, type Counters } from "../../src/access/admission.ts";
import { AnonymousBrake, MinuteCounter, quotaDay, secondsToNextDay } from "../../src/access/counters.ts";
import {
  type AccessRequest,
  type Admission,
  type Denial,
  type DenialReason,
  decide,
} from "../../src/access/decision.ts";
import type { ApiKey, Lineage } from "../../src/access/key.ts";
import { effective, lineageOf, needsApproval, visibility } from "../../src/access/lineage.ts";
import { presetNames, presets } from "../../src/access/preset.ts";
import { scopes } from "../../src/access/scope.ts";
import { aKey, NOW } from "../harness/key.ts";

function someCounters(): Counters & { used: Map<string, number> } {
  const used = new Map<string, number>();
  const name = (...parts: string[]) => parts.join(" ");
  return {
    used,
    rates: new MinuteCounter(),
    denials: new MinuteCounter(),
    quotas: {
      used: (key, scope, day) => used.get(name(key, scope, day)) ?? 0,
      use: (key, scope, day) => used.set(name(key, scope, day), (used.get(name(key, scope, day)) ?? 0) + 1),
      giveBack: ({ key, scope, day }) => used.set(name(key, scope, day), (used.get(name(key, scope, day)) ?? 1) - 1),
    },
  };
}

/** Child, parent and root; each with its own differences. */
function family(child: Partial<ApiKey> = {}, parent: Partial<ApiKey> = {}, root: Partial<ApiKey> = {}): Lineage {
  return [
    aKey({ id: "child00000", parent: "parent0000", ...child }),
    aKey({ id: "parent0000", parent: "root000000", ...parent }),
    aKey({ id: "root000000", ...root }),
  ];
}

const attempt = (lineage: Lineage | null, differences: Partial<AccessRequest> = {}): AccessRequest => ({
  lineage,
  match: "current",
  by: "key",
  at: NOW,
  address: "203.0.113.9",
  scopes: ["backups:create"],
  ...differences,
});

const granted = (lineage: Lineage, counters = someCounters(), differences: Partial<AccessRequest> = {}): Admission => {
  const decision = admit(attempt(lineage, differences), counters);
  if (!decision.ok) throw new Error(`denied: ${decision.error.reason}`);
  return decision.value;
};
const denied = (
  lineage: Lineage | null,
  counters = someCounters(),
  differences: Partial<AccessRequest> = {},
): Denial => {
  const decision = admit(attempt(lineage, differences), counters);
  if (decision.ok) throw new Error("granted");
  return decision.error;
};

describe("the door", () => {
  it("admits a key that every level allows, and says what is left", () => {
    const lineage = family(
      { ratePerMinute: 10, quotas: { "backups:create": 5 } },
      {},
      { ratePerMinute: 7, quotas: { "backups:create": 3 } },
    );
    const grant = granted(lineage, undefined, { backupKey: "x.zip" });
    expect(grant.key.id).toBe("child00000");
    expect(grant.rate).toMatchObject({ limit: 7, remaining: 6 });
    expect(grant.quotas).toEqual([{ scope: "backups:create", limit: 3, remaining: 2, resetSeconds: 14 * 3600 }]);
    expect(grant.needsApproval).toBe(false);
  });

  it("admits any living key where no scope is needed, and needs every scope where there are several", () => {
    const lineage = family({ scopes: ["backups:restore"] });
    expect(granted(lineage, undefined, { scopes: [] }).key.id).toBe("child00000");
    expect(denied(lineage, undefined, { scopes: ["backups:restore", "backups:restore-unsafe"] }).reason).toBe("scope");
  });

  // Each row breaks one rule; a request that breaks several is told the first of them, on whichever level it is broken.
  const used = `${quotaDay(NOW)}`;
  const breaks: [DenialReason, string, Partial<ApiKey>, Partial<AccessRequest>][] = [
    ["unknown", "unauthenticated", {}, { match: null }],
    ["disabled", "unauthenticated", { disabled: true }, {}],
    ["time", "unauthenticated", { expires: NOW }, {}],
    ["network", "network_refused", { networks: ["192.0.2.0/24"] }, {}],
    ["scope", "scope_missing", { scopes: ["backups:list"] }, {}],
    ["pattern", "not_found", { patterns: ["other-*"] }, { backupKey: "x.zip" }],
    ["rate", "rate_limited", { ratePerMinute: 1 }, {}],
    ["quota", "quota_exhausted", { quotas: { "backups:create": 1 } }, {}],
  ];
  for (const level of [0, 1, 2]) {
    for (const [index, [reason, code]] of breaks.entries()) {
      it(`tells ${reason} of level ${level} before everything that comes after it`, () => {
        const lineage = family();
        let differences: Partial<AccessRequest> = {};
        for (const [position, [, , keyPart, attemptPart]] of breaks.entries()) {
          if (position < index) continue;
          const at = position === index ? level : (position + level) % 3;
          Object.assign(lineage[at]!, keyPart);
          differences = { ...differences, ...attemptPart };
        }
        const counters = someCounters();
        for (const { id } of lineage) {
          counters.rates.take(id, NOW);
          counters.used.set(`${id} backups:create ${used}`, 1);
        }
        expect(denied(lineage, counters, differences)).toMatchObject({ reason, problem: { code } });
      });
    }
  }

  it("refuses before notBefore and from expires on, to the millisecond", () => {
    const lineage = family({ notBefore: NOW }, { expires: NOW + 1000 });
    expect(denied(lineage, undefined, { at: NOW - 1 }).reason).toBe("time");
    expect(granted(lineage, undefined, { at: NOW })).toBeTruthy();
    expect(granted(lineage, undefined, { at: NOW + 999 })).toBeTruthy();
    expect(denied(lineage, undefined, { at: NOW + 1000 }).reason).toBe("time");
  });

  it("refuses an unknown address only where networks are named", () => {
    expect(granted(family(), undefined, { address: null })).toBeTruthy();
    for (const address of [null, "", "spoofed"]) {
      expect(denied(family({}, {}, { networks: ["0.0.0.0/0"] }), undefined, { address }).problem.code).toBe(
        "network_refused",
      );
    }
  });

  it("names the missing scope in full and whose it is", () => {
    const hint = (lineage: Lineage) => denied(lineage).problem.hint;
    expect(hint(family({ scopes: [] }))).toBe(
      "This call needs the scope backups:create, which this key does not have.",
    );
    expect(hint(family({}, { scopes: [] }))).toBe(
      "This call needs the scope backups:create, which a key above this one does not have.",
    );
  });

  it("tells a disabled, expired, early or wrong key nothing more than an unknown one, however often it asks", () => {
    const strangers: [Lineage | null, Partial<AccessRequest>][] = [
      [null, {}],
      [family(), { match: null }],
      [family({ disabled: true }), {}],
      [family({}, { disabled: true }), {}],
      [family({}, {}, { disabled: true }), {}],
      [family({ expires: NOW - 1 }), {}],
      [family({}, {}, { expires: NOW - 1 }), {}],
      [family({ notBefore: NOW + 1 }), {}],
      [family({ disabled: true, networks: ["192.0.2.0/24"], scopes: [], patterns: [], ratePerMinute: 1 }), {}],
    ];
    for (const [lineage, differences] of strangers) {
      const counters = someCounters();
      for (let i = 0; i < 200; i++) {
        const { key, problem } = denied(lineage, counters, { ...differences, backupKey: "x.zip" });
        expect({ key, problem }).toEqual({ key: null, problem: { code: "unauthenticated" } });
      }
      expect([counters.denials.size, counters.rates.size, counters.used.size]).toEqual([0, 0, 0]);
    }
  });

  it("moves rate and quota of every level on a grant, and nothing on a denial", () => {
    const quotas = { "backups:create": 2 };
    const lineage = family({ ratePerMinute: 9, quotas }, {}, { ratePerMinute: 9, quotas: { "backups:create": 9 } });
    const counters = someCounters();
    granted(lineage, counters);
    for (const wrong of [
      { address: null, lineage: family({ networks: ["::/0"] }) },
      { scopes: ["audit:read"] as const, lineage: family({ scopes: [] }) },
      { backupKey: "x", lineage: family({ patterns: ["y"] }) },
      { match: null },
    ]) {
      denied(lineage, counters, wrong);
    }
    const left = (id: string) => counters.rates.peek(id, 9, NOW).remaining;
    expect([left("child00000"), left("parent0000"), left("root000000")]).toEqual([8, 9, 8]);
    expect(Object.fromEntries(counters.used)).toEqual({
      "child00000 backups:create 2026-11-22": 1,
      "root000000 backups:create 2026-11-22": 1,
    });
    granted(lineage, counters);
    for (let i = 0; i < 3; i++)
      expect(denied(lineage, counters).problem).toEqual({ code: "quota_exhausted", retryAfterSeconds: 14 * 3600 });
    expect(left("root000000")).toBe(7);
  });

  it("lets siblings use up what their parent has, and starts quotas anew at 00:00 UTC", () => {
    const parent = { quotas: { "backups:create": 2 } };
    const counters = someCounters();
    granted(family({ id: "one" }, parent), counters);
    granted(family({ id: "two" }, parent), counters);
    expect(denied(family({ id: "three" }, parent), counters).reason).toBe("quota");
    expect(granted(family({ id: "three" }, parent), counters, { at: Date.UTC(2026, 10, 23) })).toBeTruthy();
  });

  it("takes a quota of 0 for never", () => {
    expect(denied(family({ quotas: { "backups:create": 0 } })).reason).toBe("quota");
  });

  it("lets a further look at something admitted pass without rate and quota, but with every right asked anew", () => {
    const spent = { ratePerMinute: 1, quotas: { "backups:create": 1 } };
    const counters = someCounters();
    granted(family(spent), counters);
    for (let i = 0; i < 5; i++)
      expect(granted(family(spent), counters, { continuation: true }).charge.rate).toEqual([]);
    expect(denied(family({ ...spent, disabled: true }), counters, { continuation: true }).reason).toBe("disabled");
    expect(denied(family({ ...spent, scopes: [] }), counters, { continuation: true }).reason).toBe("scope");
  });

  it("answers the 61st denial of a genuine key within a minute with 429, and still admits what it may do", () => {
    const lineage = family({ scopes: ["backups:list"] });
    const counters = someCounters();
    for (let i = 0; i < 60; i++) expect(denied(lineage, counters).problem.code).toBe("scope_missing");
    expect(denied(lineage, counters)).toMatchObject({
      reason: "scope",
      problem: { code: "rate_limited", retryAfterSeconds: 61 },
    });
    expect(granted(lineage, counters, { scopes: ["backups:list"] })).toBeTruthy();
    expect(denied(family({ id: "sibling000", scopes: [] }), counters).problem.code).toBe("scope_missing");
    expect(denied(lineage, counters, { at: NOW + 61_000 }).problem.code).toBe("scope_missing");
  });

  it("says on ?token= what PocketBase says there", () => {
    const message = "Insufficient permissions to access the resource.";
    const ticket = { by: "ticket", scopes: ["backups:download"], backupKey: "x.zip" } as const;
    for (const stranger of [null, family({ disabled: true }), family({ expires: 1 })]) {
      expect(denied(stranger, undefined, ticket).problem).toEqual({ code: "ticket_refused" });
    }
    expect(denied(family({ scopes: [] }), undefined, ticket).problem).toMatchObject({ code: "scope_missing", message });
    expect(denied(family({ networks: ["::/0"] }), undefined, ticket).problem).toMatchObject({
      code: "network_refused",
      message,
    });
    expect(denied(family({ patterns: ["y"] }), undefined, ticket).problem).toEqual({ code: "not_found" });
  });

  it("only looks when asked for the decision alone", () => {
    const lineage = family({ ratePerMinute: 1, quotas: { "backups:create": 1 } });
    const counts = {
      rate: (_: string, limit: number) => ({ limit, remaining: limit, resetSeconds: 0, retryAfterSeconds: 0 }),
      quota: () => 0,
    };
    const first = decide(attempt(lineage), counts);
    expect(decide(attempt(lineage), counts)).toEqual(first);
    expect(first.ok && first.value.charge).toEqual({
      rate: ["child00000"],
      quotas: [{ key: "child00000", scope: "backups:create", day: "2026-11-22" }],
    });
  });
});

describe("a lineage", () => {
  it("is found from the key up to its root, and not at all when a link is missing, too long or a circle", () => {
    const keys = new Map(family().map((key) => [key.id, key]));
    const find = (id: string) => keys.get(id) ?? null;
    expect(lineageOf(find, "child00000")?.map(({ id }) => id)).toEqual(["child00000", "parent0000", "root000000"]);
    expect(lineageOf(find, "root000000")).toHaveLength(1);
    expect(lineageOf(find, "nobody")).toBeNull();
    keys.set("grandchild", aKey({ id: "grandchild", parent: "child00000" }));
    expect(lineageOf(find, "grandchild")).toBeNull();
    keys.delete("root000000");
    expect(lineageOf(find, "child00000")).toBeNull();
    keys.set("circle", aKey({ id: "circle", parent: "circle" }));
    expect(lineageOf(find, "circle")).toBeNull();
  });

  it("shows what its key may really do", () => {
    const lineage = family(
      { scopes: ["backups:create", "backups:list", "audit:read"], expires: 30, patterns: ["a*"], ratePerMinute: 5 },
      { scopes: ["backups:list", "backups:create"], notBefore: 10, approval: ["backups:create"] },
      { expires: 20, notBefore: 5, patterns: ["*b"], approval: ["backups:delete"], disabled: true },
    );
    expect(effective(lineage)).toMatchObject({
      scopes: ["backups:list", "backups:create"],
      notBefore: 10,
      expires: 20,
      approval: ["backups:create", "backups:delete"],
      disabled: true,
      levels: [
        { id: "child00000", patterns: ["a*"], ratePerMinute: 5 },
        { id: "parent0000", patterns: ["*"] },
        { id: "root000000", patterns: ["*b"] },
      ],
    });
    expect(JSON.stringify(effective(lineage))).not.toContain(lineage[2]!.digest);
    expect(effective(family())).toMatchObject({ scopes: [...scopes], notBefore: null, expires: null, approval: [] });
    expect(["ab", "a", "b"].map(visibility(lineage))).toEqual([true, false, false]);
    expect(needsApproval(lineage, "backups:create")).toBe(true);
    expect(needsApproval(lineage, "backups:restore")).toBe(false);
  });
});

describe("presets", () => {
  it("grant what SECURITY 4 says and no more, with a rate and daily quotas for what they grant", () => {
    expect(presetNames).toEqual(Object.keys(presets));
    expect(presets.robot).toEqual({
      scopes: ["backups:list", "backups:create"],
      quotas: { "backups:create": 24 },
      ratePerMinute: 60,
    });
    expect(presets.fetcher).toEqual({
      scopes: ["backups:list", "backups:download"],
      quotas: {},
      ratePerMinute: 120,
    });
    expect(presets.auditor.scopes).toEqual(["backups:list", "events:read", "operations:read", "audit:read"]);
    expect(presets.auditor.quotas).toEqual({});
    const quotas = { "backups:create": 24, "backups:upload": 10, "backups:delete": 5, "backups:restore": 1 };
    expect(presets.operator.quotas).toEqual(quotas);
    expect(presets.operator.scopes).toEqual([
      "backups:list",
      "backups:create",
      "backups:upload",
      "backups:download",
      "backups:delete",
      "backups:restore",
      "backups:restore-unsafe",
      "events:read",
      "operations:read",
    ]);
    expect(presets.owner).toEqual({ scopes, quotas, ratePerMinute: 600 });
    expect([presets.auditor, presets.operator].map(({ ratePerMinute }) => ratePerMinute)).toEqual([120, 300]);
  });

  it("restore only as operator and owner", () => {
    expect(presetNames.filter((name) => presets[name].scopes.includes("backups:restore"))).toEqual([
      "operator",
      "owner",
    ]);
  });
});

describe("counters", () => {
  it("admit no more than the limit in any 60 seconds, at whatever moments requests come", () => {
    const counter = new MinuteCounter();
    const admitted: number[] = [];
    let state = 12345;
    for (let at = NOW; at < NOW + 600_000; at += state % 700) {
      state = (state * 48271) % 2147483647;
      if (counter.peek("k", 30, at).remaining > 0) {
        counter.take("k", at);
        admitted.push(at);
      }
    }
    expect(admitted.length).toBeGreaterThan(250);
    for (const from of admitted)
      expect(admitted.filter((at) => at >= from && at < from + 60_000).length).toBeLessThanOrEqual(30);
  });

  it("forget what a clock counted that ran ahead", () => {
    const counter = new MinuteCounter();
    for (let count = 0; count < 3; count++) counter.take("k", NOW + 365 * 86_400_000);
    expect(counter.peek("k", 3, NOW).remaining).toBe(3);
    counter.take("k", NOW);
    expect(counter.peek("k", 3, NOW).remaining).toBe(2);
  });

  it("say truly how long to wait", () => {
    const counter = new MinuteCounter();
    for (const at of [NOW, NOW + 10_500, NOW + 20_000]) counter.take("k", at);
    expect(counter.peek("k", 4, NOW + 20_000)).toEqual({
      limit: 4,
      remaining: 1,
      resetSeconds: 61,
      retryAfterSeconds: 0,
    });
    expect(counter.peek("k", 3, NOW + 20_000)).toMatchObject({ remaining: 0, retryAfterSeconds: 41 });
    expect(counter.peek("k", 2, NOW + 20_000)).toMatchObject({ remaining: 0, retryAfterSeconds: 51 });
    expect(counter.peek("k", 3, NOW + 60_999).remaining).toBe(0);
    expect(counter.peek("k", 3, NOW + 61_000).remaining).toBe(1);
    expect(counter.peek("k", 3, NOW + 81_000)).toEqual({
      limit: 3,
      remaining: 3,
      resetSeconds: 0,
      retryAfterSeconds: 0,
    });
    for (const limit of [1, 2, 3]) {
      const wait = counter.peek("k", limit, NOW + 20_250).retryAfterSeconds;
      expect(counter.peek("k", limit, NOW + 20_250 + wait * 1000).remaining).toBeGreaterThan(0);
    }
  });

  it("start anew after a long silence, and stand still when the clock goes back", () => {
    const counter = new MinuteCounter();
    counter.take("k", NOW);
    counter.take("k", NOW - 3_600_000);
    expect(counter.peek("k", 5, NOW - 3_600_000).remaining).toBe(3);
    expect(counter.peek("k", 5, NOW).remaining).toBe(3);
    counter.take("k", NOW + 86_400_000);
    expect(counter.peek("k", 5, NOW + 86_400_000).remaining).toBe(4);
  });

  it("keep a bounded number of ids and forget the one counted longest ago", () => {
    const counter = new MinuteCounter(100);
    for (let i = 0; i < 1000; i++) {
      counter.take(`id${i}`, NOW);
      counter.take("busy", NOW);
    }
    expect(counter.size).toBe(100);
    expect(counter.peek("busy", 2000, NOW).remaining).toBe(1000);
    expect(counter.peek("id0", 5, NOW).remaining).toBe(5);
    for (let i = 0; i < 1000; i++) counter.peek(`stranger${i}`, 5, NOW);
    expect(counter.size).toBe(100);
  });

  it("brake an address after 60 failures in a minute, a whole IPv6 /64 together", () => {
    const brake = new AnonymousBrake(10);
    for (let i = 0; i < 60; i++) {
      expect(brake.refusal("2001:db8::1", NOW)).toBeNull();
      brake.failed(`2001:db8::${i}`, NOW);
    }
    expect(brake.refusal("2001:db8::ffff", NOW)).toEqual({ code: "rate_limited", retryAfterSeconds: 61 });
    expect(brake.refusal("2001:db8:0:1::1", NOW)).toBeNull();
    expect(brake.refusal("2001:db8::1", NOW + 61_000)).toBeNull();
  });

  it("count days in UTC", () => {
    expect(quotaDay(Date.UTC(2026, 0, 1) - 1)).toBe("2025-12-31");
    expect(secondsToNextDay(Date.UTC(2026, 0, 1) - 1)).toBe(1);
    expect(secondsToNextDay(Date.UTC(2026, 0, 1))).toBe(86_400);
  });
});
