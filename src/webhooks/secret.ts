import { base64, fromBase64 } from "../base/encoding.ts";
import type { Random } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";

const PREFIX = "whsec_";

/** A fresh signing secret: 32 random bytes (Standard Webhooks asks for 24 to 64). */
export const newSecret = (random: Random): Uint8Array<ArrayBuffer> => random(32);

/** The text in which it is shown, once. */
export const secretText = (secret: Uint8Array): string => PREFIX + base64(secret);

/**
 * The bytes of a secret as text: base64 of any length above nothing, padded or not, with or without its prefix, as every
 * Standard Webhooks library reads it. Null when it is none.
 */
export function readSecret(text: string): Uint8Array<ArrayBuffer> | null {
  const bytes = fromBase64(text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text);
  return bytes !== null && bytes.length > 0 ? bytes : null;
}

/** A secret that a user brings along: 24 to 64 bytes, and not one byte repeated. The sentence never quotes it. */
export function acceptSecret(text: string): Result<Uint8Array<ArrayBuffer>, string> {
  if (/^wh[sp]k_/.test(text)) return fail("This is a signature key pair; a secret starts with whsec_.");
  const bytes = readSecret(text);
  if (bytes === null) return fail("A secret is whsec_ followed by base64 (with + and /).");
  if (bytes.length < 24 || bytes.length > 64) return fail(`A secret has 24 to 64 bytes; this one has ${bytes.length}.`);
  if (new Set(bytes).size < 8) return fail("This secret repeats itself: use random bytes.");
  return ok(bytes);
}
