import fc from "fast-check";
import { SignJWT } from "jose";
import { AsyncAuthStore, BaseAuthStore } from "pocketbase";
import { beforeAll, describe, expect, it } from "vitest";
import { parseCredential } from "../../src/access/credential.ts";
import type { Lineage } from "../../src/access/key.ts";
import {
  mintSession,
  RENEWAL_SECONDS,
  renewSession,
  type SessionClaims,
  verifySession,
} from "../../src/access/session.ts";
import { mintTicket, verifyTicket } from "../../src/access/ticket.ts";
import { deriveTokenKeys, type TokenKeys } from "../../src/access/token-keys.ts";
import { base64url, fromBase64url, fromHex, fromUtf8, utf8 } from "../../src/base/encoding.ts";
import { randomBase62, secureRandom } from "../../src/base/random.ts";
import type { Result } from "../../src/base/result.ts";
import { aKey, NOW } from "../harness/key.ts";
import vectors from "./vectors.json";

const DAY = 86_400;
const ins = vectors.ins;
const claimsIn = (jwt: string) => JSON.parse(fromUtf8(fromBase64url(jwt.split(".")[1]!)!)) as SessionClaims;
const value = <T>(result: Result<T, unknown>): T => {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
};
const refused = { ok: false, error: { code: "unauthenticated" } };
const ticketRefused = { ok: false, error: { code: "ticket_refused" } };

let keys: TokenKeys;
beforeAll(async () => {
  keys = await deriveTokenKeys(secureRandom(32));
});
const lineage = (...expiries: (number | null)[]) => expiries.map((expires) => aKey({ expires })) as unknown as Lineage;
const session = async (at = NOW, of = lineage(null), more = {}) =>
  value(await mintSession(keys.session, { lineage: of, ins, secretVersion: 1, at, ...more }));
const ticket = async (at = NOW, of = lineage(null)) =>
  value(await mintTicket(keys.ticket, { lineage: of, ins, secretVersion: 1, at }));
const verified = async (jwt: string, at = NOW) => value(await verifySession(keys.session, jwt, { ins, at }));

describe("the frozen vectors", () => {
  it("still hold for a session and a ticket", async () => {
    const frozen = await deriveTokenKeys(fromHex(vectors.sessionKey)!);
    const { at, generation: secretVersion } = vectors;
    const inputs = { lineage: [aKey({ id: vectors.keyId })] as Lineage, ins, secretVersion, at };
    const minted = value(await mintSession(frozen.session, inputs));
    expect(value(await verifySession(frozen.session, minted, { ins, at }))).toEqual({
      ...vectors.session.claims,
      pad: expect.stringMatching(/^ {0,2}$/),
    });
    expect(await mintTicket(frozen.ticket, inputs)).toEqual({ ok: true, value: vectors.ticket.jwt });
    expect(await verifySession(frozen.session, vectors.session.jwt, { ins, at })).toEqual({
      ok: true,
      value: vectors.session.claims,
    });
    expect(await verifyTicket(frozen.ticket, vectors.ticket.jwt, { ins, at })).toEqual({
      ok: true,
      value: vectors.ticket.claims,
    });
  });

  it("come from a key of 32 bytes", async () => {
    await expect(deriveTokenKeys(new Uint8Array(31))).rejects.toThrow(TypeError);
  });
});

describe("PocketBase's SDKs", () => {
  it("JS, the real one: take a session for a superuser's valid login", async () => {
    const jwt = await session(Date.now());
    for (const store of [new BaseAuthStore(), new AsyncAuthStore({ save: async () => {} })]) {
      store.save(jwt, null);
      expect([store.isValid, store.isSuperuser]).toEqual([true, true]);
      store.save(jwt, { id: "x", collectionId: "pbc_3142635823", collectionName: "_superusers" });
      expect([store.isValid, store.isSuperuser]).toEqual([true, true]);
    }
    const stale = new BaseAuthStore();
    stale.save(await session(Date.now() - 2 * DAY * 1000), null);
    expect(stale.isValid).toBe(false);
  });

  it("Dart: find three parts, a payload that base64.normalize completes, and an integer exp in the future", async () => {
    const parts = (await session(Date.now())).split(".");
    expect(parts).toHaveLength(3);
    const mapped = parts[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const payload = JSON.parse(atob(mapped + "=".repeat((4 - (mapped.length % 4)) % 4)));
    expect(Number.isInteger(payload.exp)).toBe(true);
    expect(payload.exp).toBeGreaterThan(Date.now() / 1000);
  });

  it("Python: pad, decode, and compare exp", async () => {
    let encoded = (await session(Date.now())).split(".")[1]!.trim();
    const needed = encoded.length % 4;
    if (needed) encoded += "=".repeat(4 - needed);
    expect(encoded).toMatch(/^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?$/);
    const payload = JSON.parse(atob(encoded.replaceAll("-", "+").replaceAll("_", "/")));
    expect(payload.type).toBe("auth");
    expect(Number.isInteger(payload.exp) && payload.exp > Date.now() / 1000).toBe(true);
  });

  it("Go (BosBase): accept only a payload of whole groups of four characters", async () => {
    for (const secretVersion of [1, 10, 100, 1000]) {
      const of = [aKey()] as Lineage;
      const part = value(await mintSession(keys.session, { lineage: of, ins, secretVersion, at: NOW })).split(".")[1]!;
      expect(part.length % 4).toBe(0);
    }
  });

  it("Elixir: decode URL-safe base64 without padding and find an integer exp", async () => {
    const part = (await session(Date.now())).split(".")[1]!;
    expect(part).not.toContain("=");
    expect(Number.isInteger(JSON.parse(fromUtf8(fromBase64url(part)!)).exp)).toBe(true);
  });

  it("that decode with plain atob can read every session there may be", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 8e12 }), fc.nat(), fc.boolean(), async (at, secretVersion, ends) => {
        const of = [aKey({ expires: ends ? at + 5000 : null })] as Lineage;
        const made = { lineage: of, ins: randomBase62(secureRandom, 14), secretVersion, at };
        const jwt = value(await mintSession(keys.session, made));
        const part = jwt.split(".")[1]!;
        expect(part).toMatch(/^[A-Za-z0-9]+$/);
        expect(JSON.parse(atob(part))).toMatchObject({
          id: of[0].id,
          gen: secretVersion,
          type: "auth",
          collectionId: "pbc_3142635823",
        });
      }),
      { numRuns: 200 },
    );
  });
});

describe("a session", () => {
  it("lives one day to the second, and never beyond the earliest expiry of its lineage", async () => {
    const jwt = await session();
    expect(claimsIn(jwt).exp - claimsIn(jwt).iat).toBe(DAY);
    expect((await verifySession(keys.session, jwt, { ins, at: NOW + DAY * 1000 - 1 })).ok).toBe(true);
    expect(await verifySession(keys.session, jwt, { ins, at: NOW + DAY * 1000 })).toEqual(refused);
    const short = claimsIn(await session(NOW, lineage(NOW + 90_000, null, NOW + 60_999)));
    expect(short.exp).toBe(NOW / 1000 + 60);
    expect(await mintSession(keys.session, { lineage: lineage(NOW + 999), ins, secretVersion: 1, at: NOW })).toEqual(
      refused,
    );
  });

  it("is renewed for 30 days after the login and not a second longer", async () => {
    let at = NOW;
    let jwt = await session();
    for (let renewals = 0; renewals < 100; renewals++) {
      const claims = await verified(jwt, at);
      expect(claims.login).toBe(NOW / 1000);
      if (!claims.refreshable) break;
      at += 20 * 3600 * 1000;
      jwt = value(
        await renewSession(keys.session, { jwt, claims: await verified(jwt, at), lineage: lineage(null), at }),
      );
    }
    const last = claimsIn(jwt);
    expect(last).toMatchObject({ refreshable: false, exp: NOW / 1000 + RENEWAL_SECONDS });
    const again = await renewSession(keys.session, { jwt, claims: last, lineage: lineage(null), at });
    expect(again).toEqual({ ok: true, value: jwt });
  });

  it("renewed keeps the secret it was made with, and obeys an expiry that came later", async () => {
    const jwt = await session(NOW, lineage(null), { secretVersion: 7 });
    const renewed = claimsIn(
      value(
        await renewSession(keys.session, {
          jwt,
          claims: await verified(jwt),
          lineage: lineage(NOW + 5000),
          at: NOW + 1000,
        }),
      ),
    );
    expect(renewed).toMatchObject({ gen: 7, exp: NOW / 1000 + 5, refreshable: false, iat: NOW / 1000 + 1 });
  });

  it("can be told to live shorter", async () => {
    expect(claimsIn(await session(NOW, lineage(null), { seconds: 600 }))).toMatchObject({
      exp: NOW / 1000 + 600,
      refreshable: true,
    });
  });
});

describe("a ticket", () => {
  it("lives 180 s, and never beyond the earliest expiry of its lineage", async () => {
    const jwt = await ticket();
    const at = NOW + 180_000;
    expect(await verifyTicket(keys.ticket, jwt, { ins, at: at - 1 })).toMatchObject({
      ok: true,
      value: { gen: 1, type: "file" },
    });
    expect(await verifyTicket(keys.ticket, jwt, { ins, at })).toEqual(ticketRefused);
    expect(claimsIn(await ticket(NOW, lineage(null, NOW + 9_999))).exp).toBe(NOW / 1000 + 9);
    expect(await mintTicket(keys.ticket, { lineage: lineage(NOW), ins, secretVersion: 1, at: NOW })).toEqual(refused);
  });
});

describe("neither", () => {
  it("stands for the other, even when the type is changed or the wrong key is used", async () => {
    const [login, file] = [await session(), await ticket()];
    expect(parseCredential(login)?.kind).toBe("session");
    expect(parseCredential(file)?.kind).toBe("ticket");
    const at = NOW;
    for (const key of [keys.session, keys.ticket]) {
      expect(await verifyTicket(key, login, { ins, at })).toEqual(ticketRefused);
      expect(await verifySession(key, file, { ins, at })).toEqual(refused);
    }
    const signed = (claims: object, key: CryptoKey) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg: "HS256" }).sign(key);
    const sessionClaims = claimsIn(login);
    const ticketClaims = claimsIn(file);
    for (const claims of [
      { ...sessionClaims, type: "file" },
      { ...sessionClaims, aud: ticketClaims.aud },
      { ...sessionClaims, gen: undefined },
    ]) {
      expect(await verifySession(keys.session, await signed(claims, keys.session), { ins, at })).toEqual(refused);
    }
    for (const claims of [
      { ...ticketClaims, type: "auth" },
      { ...ticketClaims, aud: sessionClaims.aud },
      { ...ticketClaims, exp: undefined },
    ]) {
      expect(await verifyTicket(keys.ticket, await signed(claims, keys.ticket), { ins, at })).toEqual(ticketRefused);
    }
    expect((await verifySession(keys.session, await signed(sessionClaims, keys.session), { ins, at })).ok).toBe(true);
  });

  it("is accepted from another instance, with another algorithm, or changed anywhere", async () => {
    const jwt = await session();
    const [head, body, signature] = jwt.split(".") as [string, string, string];
    const at = NOW;
    expect(await verifySession(keys.session, jwt, { ins: "otherinstance1", at })).toEqual(refused);
    const stranger = await deriveTokenKeys(secureRandom(32));
    expect(await verifySession(stranger.session, jwt, { ins, at })).toEqual(refused);
    const none = base64url(utf8(JSON.stringify({ alg: "none", typ: "JWT" })));
    const hs512 = base64url(utf8(JSON.stringify({ alg: "HS512", typ: "JWT" })));
    const widened = base64url(utf8(JSON.stringify({ ...claimsIn(jwt), exp: 9e9 })));
    for (const forged of [
      `${none}.${body}.`,
      `${none}.${body}.${signature}`,
      `${hs512}.${body}.${signature}`,
      `${head}.${widened}.${signature}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      "",
      "a.b.c",
    ]) {
      expect(await verifySession(keys.session, forged, { ins, at })).toEqual(refused);
      expect(await verifyTicket(keys.ticket, forged, { ins, at })).toEqual(ticketRefused);
    }
    expect((await verifySession(keys.session, jwt, { ins, at })).ok).toBe(true);
  });
});

describe("a session or ticket of a clock that ran ahead", () => {
  it("does not live on by as much as that clock was wrong", async () => {
    const ahead = NOW + 365 * DAY * 1000;
    expect(await verifySession(keys.session, await session(ahead), { ins, at: NOW })).toEqual(refused);
    expect(await verifyTicket(keys.ticket, await ticket(ahead), { ins, at: NOW })).toEqual(ticketRefused);
    // A clock that was set back by a second is none.
    expect((await verified(await session(NOW + 1_000))).iat).toBe(Math.floor((NOW + 1_000) / 1000));
  });
});
