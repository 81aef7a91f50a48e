import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ApiKey } from "../../src/access/key.ts";
import {
  afterFirstUse,
  MAX_GRACE_SECONDS,
  matchHolder,
  matchSecret,
  matchSecretVersion,
  rotate,
  secretVersionOf,
} from "../../src/access/rotation.ts";
import { secretDigest } from "../../src/access/token.ts";
import { aKey, NOW } from "../harness/key.ts";

const [first, second, third] = ["one", "two", "three"].map(secretDigest) as [string, string, string];
const HOUR = 3600;

function rotated(key: ApiKey, digest: string, graceSeconds: number, at = NOW): ApiKey {
  const answer = rotate(key, digest, graceSeconds, at);
  if (!answer.ok) throw new Error(answer.error.code);
  return answer.value;
}

describe("a rotated key", () => {
  it("takes the new secret at once and the old one until the grace ends, to the millisecond", () => {
    const key = rotated(aKey({ digest: first }), second, HOUR);
    expect(matchSecret(key, second, NOW)).toBe("current");
    expect(matchSecret(key, first, NOW + HOUR * 1000 - 1)).toBe("previous");
    expect(matchSecret(key, first, NOW + HOUR * 1000)).toBeNull();
    for (const digest of [third, "", "x"]) expect(matchSecret(key, digest, NOW)).toBeNull();
  });

  it("takes the old secret no longer when a clock that ran ahead promised its grace", () => {
    const key = rotated(aKey({ digest: first }), second, HOUR, NOW + 365 * 24 * HOUR * 1000);
    expect([matchSecret(key, first, NOW), matchSecret(key, second, NOW)]).toEqual([null, "current"]);
  });

  it("takes the old secret no longer once the new one was used", () => {
    const key = rotated(aKey({ digest: first }), second, HOUR);
    expect(afterFirstUse(key, "previous")).toBeNull();
    const write = afterFirstUse(key, "current");
    expect(write).toEqual({ previous: null });
    const used = { ...key, ...write };
    expect(matchSecret(used, first, NOW)).toBeNull();
    expect(matchSecret(used, second, NOW)).toBe("current");
    expect(afterFirstUse(used, "current")).toBeNull();
  });

  it("without grace ends the old secret and its sessions at once", () => {
    const key = rotated(aKey({ digest: first, secretVersion: 4 }), second, 0);
    expect(key.previous).toBeNull();
    expect(matchSecret(key, first, NOW)).toBeNull();
    expect(matchSecretVersion(key, 4, NOW)).toBeNull();
    expect(matchSecretVersion(key, 5, NOW)).toBe("current");
  });

  it("lets sessions live exactly as long as the secret they were made with", () => {
    const before = aKey({ digest: first, secretVersion: 4 });
    const session = secretVersionOf(before, "current");
    const key = rotated(before, second, HOUR);
    expect(matchSecretVersion(key, session, NOW)).toBe("previous");
    expect(secretVersionOf(key, "previous")).toBe(session);
    expect(matchSecretVersion(key, session, NOW + HOUR * 1000)).toBeNull();
    expect(matchSecretVersion({ ...key, previous: null }, session, NOW)).toBeNull();
    expect(matchSecretVersion(key, secretVersionOf(key, "current"), NOW)).toBe("current");
    for (const forged of [3, 6, -1, Number.NaN]) expect(matchSecretVersion(key, forged, NOW)).toBeNull();
  });

  it("rotated again before the new secret was used keeps the old one, no longer than promised, and drops the lost one", () => {
    const once = rotated(aKey({ digest: first, secretVersion: 4 }), second, HOUR);
    const twice = rotated(once, third, MAX_GRACE_SECONDS, NOW + 1000);
    expect(matchSecret(twice, second, NOW + 1000)).toBeNull();
    expect(matchSecret(twice, third, NOW + 1000)).toBe("current");
    expect(twice.previous).toEqual({ digest: first, until: NOW + HOUR * 1000 });
    expect(matchSecretVersion(twice, 4, NOW + 1000)).toBe("previous");
    expect(rotated(once, third, 10, NOW + 1000).previous).toEqual({ digest: first, until: NOW + 11_000 });
    expect(rotated(once, third, 0, NOW + 1000).previous).toBeNull();
  });

  it("rotated again after the grace or the first use keeps the secret in force", () => {
    const once = rotated(aKey({ digest: first, secretVersion: 4 }), second, HOUR);
    const late = rotated(once, third, HOUR, NOW + HOUR * 1000);
    expect(late).toMatchObject({ secretVersion: 6, previous: { digest: second } });
    const used = rotated({ ...once, previous: null }, third, HOUR);
    expect(used).toMatchObject({ secretVersion: 6, previous: { digest: second } });
  });

  it("keeps everything else: limits, principal, expiry, disabled", () => {
    const key = aKey({ disabled: true, expires: NOW + 1, approval: ["backups:restore"], principal: "Ada" });
    const { digest, secretVersion, previous, ...rest } = rotated(key, second, HOUR);
    expect(key).toMatchObject(rest);
    expect(Object.keys(rest)).toHaveLength(Object.keys(key).length - 3);
  });

  it("is refused when it has expired, or when the grace is none", () => {
    expect(rotate(aKey({ expires: NOW }), second, HOUR, NOW)).toEqual({ ok: false, error: { code: "key_expired" } });
    for (const grace of [-1, 0.5, Number.NaN, MAX_GRACE_SECONDS + 1, Number.POSITIVE_INFINITY]) {
      expect(rotate(aKey(), second, grace, NOW)).toMatchObject({ ok: false, error: { code: "invalid_request" } });
    }
    expect(rotate(aKey(), second, MAX_GRACE_SECONDS, NOW).ok).toBe(true);
  });
});

it("never has more than two living secrets, and no dead secret or session comes back", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("rotate" as const), grace: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ do: fc.constant("use" as const), which: fc.nat() }),
    fc.record({ do: fc.constant("wait" as const), seconds: fc.integer({ min: 1, max: 40 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const digests = [secretDigest("0")];
      let key = aKey({ digest: digests[0] });
      let at = NOW;
      const dead = new Set<string>();
      const sessions: { digest: string; secretVersion: number }[] = [];
      for (const next of steps) {
        if (next.do === "wait") at += next.seconds * 1000;
        if (next.do === "rotate") {
          digests.push(secretDigest(String(digests.length)));
          key = rotated(key, digests.at(-1)!, next.grace, at);
        }
        if (next.do === "use") {
          const digest = digests[next.which % digests.length]!;
          const match = matchSecret(key, digest, at);
          if (match) {
            key = { ...key, ...afterFirstUse(key, match) };
            sessions.push({ digest, secretVersion: secretVersionOf(key, match) });
          }
        }
        const alive = digests.filter((digest) => matchSecret(key, digest, at) !== null);
        expect(alive).toContain(digests.at(-1));
        expect(alive.length).toBeLessThanOrEqual(2);
        for (const digest of alive) expect(dead.has(digest)).toBe(false);
        for (const digest of digests) if (!alive.includes(digest)) dead.add(digest);
        for (const { digest, secretVersion } of sessions) {
          expect(matchSecretVersion(key, secretVersion, at) !== null).toBe(alive.includes(digest));
        }
      }
    }),
    { numRuns: 500 },
  );
});

describe("rights held without a text", () => {
  const holder = { kind: "schedule" as const, id: "nightly" };
  const held = aKey({ digest: null, holder });

  it("match their holder, and no text", () => {
    expect(matchHolder(held, { kind: "schedule", id: "nightly" })).toBe("current");
    expect(matchHolder(held, { kind: "grant", id: "nightly" })).toBeNull();
    expect(matchHolder(held, { kind: "schedule", id: "weekly" })).toBeNull();
    expect(matchHolder(aKey(), holder)).toBeNull();
    for (const digest of [first, "", "null", "undefined"]) expect(matchSecret(held, digest, NOW)).toBeNull();
  });

  it("have no secret to rotate", () => {
    expect(rotate(held, first, HOUR, NOW)).toMatchObject({ ok: false, error: { code: "key_has_no_text" } });
  });
});
