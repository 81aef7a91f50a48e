import fc from "fast-check";
import { describe, expect, it } from "vitest";
import keysPage from "../../docs/keys.md?raw";
import { parseAuthorization, parseCredential, parseTicketParameter } from "../../src/access/credential.ts";
import {
  checksumOf,
  hasInstanceTag,
  instanceTag,
  KEY_PATTERN,
  mintKeyText,
  parseKeyText,
  sameDigest,
  secretDigest,
} from "../../src/access/token.ts";
import { base64url, fromHex, utf8 } from "../../src/base/encoding.ts";
import { type Random, randomBase62, secureRandom } from "../../src/base/random.ts";
import vectors from "./vectors.json";

const tagKey = fromHex(vectors.tagKey)!;
const countingFrom =
  (from: number): Random =>
  (bytes) =>
    Uint8Array.from({ length: bytes }, (_, i) => (from + i) % 256);
const aText = () => {
  const instance = randomBase62(secureRandom, 8);
  return mintKeyText(secureRandom, {
    instance,
    tag: instanceTag(tagKey, instance),
    keyId: randomBase62(secureRandom, 10),
  });
};
const jwt = (payload: unknown, header: unknown = { alg: "HS256", typ: "JWT" }) =>
  `${base64url(utf8(JSON.stringify(header)))}.${base64url(utf8(JSON.stringify(payload)))}.c2ln`;

describe("key text", () => {
  it("is frozen: every vector mints, parses, checks and digests as it did", () => {
    expect(vectors.keys).toHaveLength(4);
    for (const { from, text, instance, tag, keyId, secret, crc32, checksum, sha256 } of vectors.keys) {
      expect(instanceTag(tagKey, instance)).toBe(tag);
      expect(mintKeyText(countingFrom(from), { instance, tag, keyId })).toBe(text);
      expect(parseKeyText(text)).toEqual({ instance, tag, keyId, secret });
      expect(checksumOf(text.slice(0, -6))).toBe(checksum);
      expect(
        [...checksum].reduce(
          (n, c) => n * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".indexOf(c),
          0,
        ),
      ).toBe(crc32);
      expect(secretDigest(text)).toBe(sha256);
    }
    expect(vectors.keys.some(({ checksum }) => checksum.startsWith("0"))).toBe(true);
  });

  it("is brk_ and 62 base62 characters, and the published pattern finds it in any text", () => {
    for (let i = 0; i < 200; i++) {
      const text = aText();
      expect(text).toMatch(/^brk_[0-9A-Za-z]{62}$/);
      expect(`RELAY_KEY="${text}" # ci`.match(KEY_PATTERN)?.[0]).toBe(text);
      expect(parseKeyText(text)).not.toBeNull();
    }
    expect(`x${"a".repeat(70)}`).not.toMatch(KEY_PATTERN);
    expect(keysPage).toContain(KEY_PATTERN.source);
    for (const { text, sha256 } of vectors.keys.slice(0, 1)) {
      expect(keysPage).toContain(text);
      expect(keysPage).toContain(sha256);
    }
  });

  it("with one wrong character anywhere, or cut, or longer, is no key", () => {
    const text = aText();
    for (let i = 0; i < text.length; i++) {
      const other = text[i] === "x" ? "y" : "x";
      expect(parseKeyText(text.slice(0, i) + other + text.slice(i + 1))).toBeNull();
    }
    for (const bad of [
      "",
      "brk_",
      text.slice(0, -1),
      `${text}0`,
      ` ${text}`,
      `${text}\n`,
      text.replace("brk", "BRK"),
    ]) {
      expect(parseKeyText(bad)).toBeNull();
    }
  });

  it("forged by the thousand falls to the checksum, and with a right checksum to the tag", () => {
    for (let i = 0; i < 5000; i++) {
      expect(parseCredential(`brk_${randomBase62(secureRandom, 62)}`)).toBeNull();
      const [instance, tag, keyId] = [8, 6, 10].map((length) => randomBase62(secureRandom, length)) as [
        string,
        string,
        string,
      ];
      const forged = parseCredential(mintKeyText(secureRandom, { instance, tag, keyId }));
      expect(forged).toMatchObject({ kind: "key", instance, tag });
      expect(hasInstanceTag(tagKey, instance, tag)).toBe(false);
    }
  });

  it("carries a tag that only the tag key makes", () => {
    const id = "Ab3dEf6h";
    expect(hasInstanceTag(tagKey, id, instanceTag(tagKey, id))).toBe(true);
    expect(hasInstanceTag(secureRandom(32), id, instanceTag(tagKey, id))).toBe(false);
    expect(hasInstanceTag(tagKey, "Ab3dEf6i", instanceTag(tagKey, id))).toBe(false);
    expect(hasInstanceTag(tagKey, id, "")).toBe(false);
  });

  it("compares digests of any length without failing", () => {
    const digest = secretDigest("x");
    expect(sameDigest(digest, secretDigest("x"))).toBe(true);
    expect(sameDigest(digest, secretDigest("y"))).toBe(false);
    for (const other of ["", digest.slice(1), `${digest}0`, "é".repeat(32)])
      expect(sameDigest(digest, other)).toBe(false);
  });
});

describe("credential", () => {
  it("takes a key raw and after Bearer in any case, and lets only its digest travel", () => {
    const text = aText();
    const { instance, tag, keyId, secret } = parseKeyText(text)!;
    const expected = { kind: "key", instance, tag, keyId, digest: secretDigest(text) };
    for (const value of [text, `Bearer ${text}`, `bearer ${text}`, `bEaReR   ${text}`, `  ${text} `]) {
      expect(parseAuthorization(value)).toEqual(expected);
    }
    expect(JSON.stringify(parseAuthorization(text))).not.toContain(secret);
  });

  it("reads a session's and a ticket's instance without believing them", () => {
    const session = {
      kind: "session",
      jwt: vectors.session.jwt,
      instance: "Ab3dEf6h",
      tag: "bHEJSW",
      keyId: "K1y2Z3x4W5",
    };
    const ticket = {
      kind: "ticket",
      jwt: vectors.ticket.jwt,
      instance: "Ab3dEf6h",
      tag: "bHEJSW",
      keyId: "K1y2Z3x4W5",
    };
    expect(parseAuthorization(`Bearer ${vectors.session.jwt}`)).toEqual(session);
    expect(parseCredential(vectors.ticket.jwt)).toEqual(ticket);
    expect(parseTicketParameter(vectors.ticket.jwt)).toEqual({ ok: true, value: ticket });
  });

  it("takes a ticket for nothing in the header, and nothing but a ticket in ?token=", () => {
    expect(parseAuthorization(vectors.ticket.jwt)).toBeNull();
    for (const value of [null, "", aText(), vectors.session.jwt, "abc", `Bearer ${vectors.ticket.jwt}`]) {
      expect(parseTicketParameter(value)).toEqual({ ok: false, error: { code: "ticket_refused" } });
    }
  });

  it("leaves what is not ours to be compared with the administrator's token, by digest", () => {
    const foreign = jwt({ type: "auth", id: "x", collectionId: "pbc_3142635823" });
    for (const text of [
      "an administrator's token",
      "Basic dXNlcjpwYXNz",
      "a.b.c",
      "..",
      foreign,
      jwt({ ins: "short", type: "auth" }),
    ]) {
      expect(parseAuthorization(text)).toEqual({ kind: "opaque", digest: secretDigest(text) });
    }
    for (const type of ["constructor", "__proto__", 1, null, undefined, ["auth"]]) {
      expect(parseCredential(jwt({ ins: vectors.ins, type }))?.kind).toBe("opaque");
    }
  });

  it("is null for nothing, a mistyped key and anything too long", () => {
    for (const value of [null, "", "  ", `${aText()}0`, "brk_", "x".repeat(2049)])
      expect(parseAuthorization(value)).toBeNull();
  });

  it("takes no garbage for a key or a session, and never fails", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string().map((s) => `brk_${s}`),
          fc.json().map((j) => `e30.${base64url(utf8(j))}.e30`),
        ),
        (text) => {
          const credential = parseAuthorization(text);
          expect(["nothing", "opaque"]).toContain(credential?.kind ?? "nothing");
        },
      ),
    );
  });
});
