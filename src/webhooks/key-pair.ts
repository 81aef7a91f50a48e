import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { base64url, fromBase64url } from "../base/encoding.ts";
import type { Random } from "../base/random.ts";

/** PKCS #8 around a raw Ed25519 seed (RFC 8410 §7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** The 32 bytes an Ed25519 key pair comes from (RFC 8032 §5.1.5); sealed at rest, one per endpoint. */
export const newSeed = (random: Random): Uint8Array<ArrayBuffer> => random(32);

export const signingKey = (seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });

/** The 32 public bytes. */
export function publicKey(seed: Uint8Array): Uint8Array<ArrayBuffer> {
  const { x } = createPublicKey(signingKey(seed)).export({ format: "jwk" });
  return fromBase64url(x!)!;
}

export type PublicJwk = { kty: "OKP"; crv: "Ed25519"; use: "sig"; alg: "EdDSA"; kid: string; x: string };

/**
 * An endpoint's public keys as a JWK set (RFC 7517, RFC 8037): the current one is named as the endpoint is, an outgoing
 * one `<id>.previous` while both sign. One pair per endpoint: with a shared one, any endpoint's owner could have texts
 * signed for all the others (SECURITY 24).
 */
export function jwks(endpointId: string, current: Uint8Array, previous: Uint8Array | null): { keys: PublicJwk[] } {
  const jwk = (kid: string, key: Uint8Array): PublicJwk => ({
    kty: "OKP",
    crv: "Ed25519",
    use: "sig",
    alg: "EdDSA",
    kid,
    x: base64url(key),
  });
  return { keys: [jwk(endpointId, current), ...(previous ? [jwk(`${endpointId}.previous`, previous)] : [])] };
}
