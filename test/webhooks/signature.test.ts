import { Buffer } from "node:buffer";
import { createPublicKey, verify as verifyEd25519 } from "node:crypto";
import fc from "fast-check";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { expect, it, vi } from "vitest";
import { fromBase64 } from "../../src/base/encoding.ts";
import { secureRandom } from "../../src/base/random.ts";
import { jwks, newSeed, publicKey } from "../../src/webhooks/key-pair.ts";
import { acceptSecret, newSecret, readSecret, secretText } from "../../src/webhooks/secret.ts";
import { type Sign, signer } from "../../src/webhooks/signature.ts";

const A = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  seconds: 1614265330,
  body: '{"test": 2432232314}',
  v1: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
const B = {
  secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
  id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
  seconds: 1649367553,
  body: '{"email":"test@example.com","username":"test_user"}',
  v1: "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
};
/** `whsk_` as Svix writes it: seed and public key, 64 bytes. */
const C = {
  pair: "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
  publicKey: "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
  v1a: "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
};
const D = ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr"];

const secretOf = (text: string) => readSecret(text)!;
const symmetric = (...secrets: string[]): Sign => signer({ secrets: secrets.map(secretOf), seeds: [] });
const verifiers = { standardwebhooks: StandardWebhook, svix: SvixWebhook };

/** An attempt as a receiver gets it. */
function attempt(sign: Sign, body: string, seconds = Math.floor(Date.now() / 1000), id = "evt_1") {
  return {
    body,
    headers: { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": sign(id, seconds, body) },
  };
}

it("reproduces the published vectors A and B", () => {
  expect(symmetric(A.secret)(A.id, A.seconds, A.body)).toBe(A.v1);
  expect(symmetric(B.secret)(B.id, B.seconds, B.body)).toBe(B.v1);
});

it("reproduces vector C, the asymmetric one", () => {
  const seed = fromBase64(C.pair)!.slice(0, 32);
  expect(signer({ secrets: [], seeds: [seed] })(A.id, A.seconds, A.body)).toBe(C.v1a);
  expect(`whpk_${Buffer.from(publicKey(seed)).toString("base64")}`).toBe(C.publicKey);
});

it("reads vector D, unpadded secrets with and without their prefix", () => {
  for (const bare of D) {
    const padded = bare.padEnd(Math.ceil(bare.length / 4) * 4, "=");
    for (const text of [bare, `whsec_${bare}`, padded, `whsec_${padded}`]) {
      const { body, headers } = attempt(symmetric(text), "{}");
      for (const Verifier of Object.values(verifiers))
        expect(new Verifier(`whsec_${padded}`).verify(body, headers), text).toEqual({});
    }
  }
});

it.each(Object.entries(verifiers))("is verified by npm %s, and nothing near it is", (_, Verifier) => {
  const secret = secretText(newSecret(secureRandom));
  const sign = signer({ secrets: [secretOf(secret)], seeds: [newSeed(secureRandom)] });
  const verifier = new Verifier(secret);
  const now = Math.floor(Date.now() / 1000);
  const body = '{"type":"backup.created","data":{"key":"é 日本"}}';
  const good = attempt(sign, body);
  expect(verifier.verify(body, good.headers)).toEqual(JSON.parse(body));
  const refused = (headers: Record<string, string>, text = body) =>
    expect(() => verifier.verify(text, headers), JSON.stringify(headers)).toThrow();
  for (const name of Object.keys(good.headers)) {
    const { [name as keyof typeof good.headers]: _, ...rest } = good.headers;
    refused(rest as Record<string, string>);
  }
  const [v1, v1a] = good.headers["webhook-signature"].split(" ") as [string, string];
  refused({ ...good.headers, "webhook-timestamp": "hello" });
  refused({ ...good.headers, "webhook-timestamp": String(now + 1) });
  refused({ ...good.headers, "webhook-id": "evt_2" });
  refused({ ...good.headers, "webhook-signature": "v1,invalid" });
  refused({ ...good.headers, "webhook-signature": "v1," });
  refused({ ...good.headers, "webhook-signature": v1.slice(0, 8) });
  refused({ ...good.headers, "webhook-signature": v1.replace("v1,", "v2,") });
  refused({ ...good.headers, "webhook-signature": v1a });
  refused(good.headers, `${body} `);
  refused(good.headers, "");
  refused(attempt(sign, body, now - 301).headers);
  refused(attempt(sign, body, now + 302).headers);
  expect(verifier.verify(body, attempt(sign, body, now - 295).headers)).toEqual(JSON.parse(body));
  const other = symmetric(secretText(newSecret(secureRandom)))("evt_1", now, body);
  const list = `${other} v2,abc v1,${"A".repeat(43)}= ${sign("evt_1", now, body)}`;
  const among = { ...attempt(sign, body, now).headers, "webhook-signature": list };
  expect(verifier.verify(body, among), "one of several").toEqual(JSON.parse(body));
  expect(() => new Verifier("")).toThrow();
});

it("signs with both secrets and both pairs while a rotation overlaps", () => {
  const [fresh, old] = [newSecret(secureRandom), newSecret(secureRandom)];
  const [freshSeed, oldSeed] = [newSeed(secureRandom), newSeed(secureRandom)];
  const { body, headers } = attempt(signer({ secrets: [fresh, old], seeds: [freshSeed, oldSeed] }), '{"a":1}');
  for (const Verifier of Object.values(verifiers))
    for (const secret of [fresh, old]) expect(new Verifier(secretText(secret)).verify(body, headers)).toEqual({ a: 1 });
  const list = headers["webhook-signature"].split(" ");
  expect(list.map((signature) => signature.split(",")[0])).toEqual(["v1", "v1", "v1a", "v1a"]);
  const { keys } = jwks("wh_1", publicKey(freshSeed), publicKey(oldSeed));
  const signed = Buffer.from(`evt_1.${headers["webhook-timestamp"]}.${body}`);
  keys.forEach((key, which) => {
    const signature = Buffer.from(list[2 + which]!.slice("v1a,".length), "base64");
    expect(verifyEd25519(null, signed, createPublicKey({ key, format: "jwk" }), signature)).toBe(true);
    const other = createPublicKey({ key: keys[1 - which]!, format: "jwk" });
    expect(verifyEd25519(null, signed, other, signature)).toBe(false);
  });
});

it("names an endpoint's key as the endpoint, and keeps the private half out", () => {
  const seed = newSeed(secureRandom);
  const set = jwks("wh_4Jk2mPq8", publicKey(seed), null);
  expect(set.keys).toHaveLength(1);
  expect(set.keys[0]).toEqual({
    kty: "OKP",
    crv: "Ed25519",
    use: "sig",
    alg: "EdDSA",
    kid: "wh_4Jk2mPq8",
    x: Buffer.from(publicKey(seed)).toString("base64url"),
  });
  expect(jwks("wh_1", publicKey(seed), publicKey(newSeed(secureRandom))).keys.map((key) => key.kid)).toEqual([
    "wh_1",
    "wh_1.previous",
  ]);
});

it("signs only with the kinds an endpoint asks for", () => {
  const keys = { secrets: [newSecret(secureRandom)], seeds: [newSeed(secureRandom)] };
  expect(signer(keys, ["v1"])("evt_1", 1, "{}")).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
  expect(signer(keys, ["v1a"])("evt_1", 1, "{}")).toMatch(/^v1a,[A-Za-z0-9+/]{86}==$/);
});

it("agrees with both verifiers on any body", () => {
  const secret = newSecret(secureRandom);
  const sign = signer({ secrets: [secret], seeds: [] });
  const body = fc.json({ stringUnit: "binary" });
  fc.assert(
    fc.property(body, fc.integer({ min: 0, max: 4_000_000_000 }), (text, seconds) => {
      vi.useFakeTimers({ now: seconds * 1000 });
      const { headers } = attempt(sign, text, seconds);
      for (const Verifier of Object.values(verifiers))
        expect(new Verifier(secretText(secret)).verify(text, headers)).toEqual(JSON.parse(text));
      vi.useRealTimers();
    }),
    { numRuns: 50 },
  );
});

it("takes a user's secret of 24 to 64 bytes and says what is wrong with any other", () => {
  const text = (bytes: number) => secretText(secureRandom(bytes));
  for (const bytes of [24, 32, 64]) expect(acceptSecret(text(bytes)).ok, String(bytes)).toBe(true);
  const refusal = (secret: string) => {
    const read = acceptSecret(secret);
    return read.ok ? "taken" : read.error;
  };
  expect(refusal(text(23))).toMatch(/24 to 64 bytes; this one has 23/);
  expect(refusal(text(65))).toMatch(/this one has 65/);
  expect(refusal("whsec_")).toMatch(/base64/);
  expect(refusal("")).toMatch(/base64/);
  expect(refusal(`whsec_${"-_".repeat(16)}`)).toMatch(/\+ and \//);
  expect(refusal(`whsec_${"A".repeat(43)}=`)).toMatch(/repeats/);
  expect(refusal(C.publicKey)).toMatch(/key pair/);
});
