import { Buffer } from "node:buffer";
import { createHmac, sign as ed25519 } from "node:crypto";
import { signingKey } from "./key-pair.ts";

export const signatureKinds = ["v1", "v1a"] as const;
export type SignatureKind = (typeof signatureKinds)[number];

/** What an endpoint signs with, current first; a second one only while a rotation overlaps. */
export type SigningKeys = { secrets: readonly Uint8Array[]; seeds: readonly Uint8Array[] };

/** `id` is the event's, `seconds` the attempt's Unix time, `body` exactly what is sent. */
export type Sign = (id: string, seconds: number, body: string) => string;

/**
 * Signs attempts as Standard Webhooks 1.0.0 says: each signature over `id.seconds.body`, `v1` by HMAC-SHA256, `v1a` by
 * Ed25519, in one space-separated list, so that a receiver takes whichever it can verify. Make it once per endpoint and
 * rotation: the keys are read here. It is synchronous because it costs the same as WebCrypto (22 ms of CPU per 1,000 for
 * both kinds) without a promise per signature.
 */
export function signer(keys: SigningKeys, kinds: readonly SignatureKind[] = signatureKinds): Sign {
  const secrets = kinds.includes("v1") ? keys.secrets : [];
  const pairs = kinds.includes("v1a") ? keys.seeds.map(signingKey) : [];
  return (id, seconds, body) => {
    const signed = Buffer.from(`${id}.${seconds}.${body}`);
    const v1 = secrets.map((secret) => `v1,${createHmac("sha256", secret).update(signed).digest("base64")}`);
    const v1a = pairs.map((pair) => `v1a,${ed25519(null, signed, pair).toString("base64")}`);
    return [...v1, ...v1a].join(" ");
  };
}
