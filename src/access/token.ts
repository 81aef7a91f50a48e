import { createHmac, hash, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { utf8 } from "../base/encoding.ts";
import { BASE62, type Random, randomBase62 } from "../base/random.ts";

/** The text of an API key. The format is frozen and explained, with its test vectors, in `docs/keys.md`. */
type KeyParts = { instance: string; tag: string; keyId: string; secret: string };

export const INSTANCE_ID_LENGTH = 8;
export const TAG_LENGTH = 6;
export const KEY_ID_LENGTH = 10;
const SECRET_LENGTH = 32;
const CHECKSUM_LENGTH = 6;

/** What a key looks like in a log or a repository; published for secret scanners. */
export const KEY_PATTERN = /\bbrk_[0-9A-Za-z]{62}\b/;

const SHAPE = /^brk_([0-9A-Za-z]{8})([0-9A-Za-z]{6})([0-9A-Za-z]{10})([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;

/** A whole number below 62^length, most significant digit first, left-padded with `0`. */
function base62(value: number, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest = Math.floor(rest / 62)) text = BASE62[rest % 62] + text;
  return text;
}

/** CRC-32 (ISO 3309, as in zip and GitHub's tokens) of `brk_` and the 56 characters after it, in base62. */
export const checksumOf = (text: string): string => base62(crc32(text), CHECKSUM_LENGTH);

/** A new key text with a fresh secret (190 bits). The ids must have their exact lengths. */
export function mintKeyText(random: Random, ids: { instance: string; tag: string; keyId: string }): string {
  const text = `brk_${ids.instance}${ids.tag}${ids.keyId}${randomBase62(random, SECRET_LENGTH)}`;
  return text + checksumOf(text);
}

/** The parts, or null for a wrong shape or checksum. No I/O; whether the tag is ours asks `hasInstanceTag`. */
export function parseKeyText(text: string): KeyParts | null {
  const match = SHAPE.exec(text);
  if (!match || match[5] !== checksumOf(text.slice(0, -CHECKSUM_LENGTH))) return null;
  return { instance: match[1]!, tag: match[2]!, keyId: match[3]!, secret: match[4]! };
}

/** SHA-256 (hex) of the whole text: the only form of a key that is stored or crosses an RPC. Synchronous: no turn is lost. */
export const secretDigest = (text: string): string => hash("sha256", text, "hex");

/** Equality that takes the same time wherever two texts of one length differ. For digests and tags, never for secrets. */
export const sameDigest = (a: string, b: string): boolean => {
  const left = utf8(a);
  const right = utf8(b);
  return left.length === right.length && timingSafeEqual(left, right);
};

/**
 * Six base62 characters that only the holder of the tag key can make for an id, so that a made-up id opens no object
 * (SECURITY 6): the first 48 bits of HMAC-SHA256(tagKey, id), modulo 62^6.
 */
export function instanceTag(tagKey: Uint8Array, id: string): string {
  const mac = createHmac("sha256", tagKey).update(id).digest();
  return base62(mac.readUIntBE(0, 6) % 62 ** TAG_LENGTH, TAG_LENGTH);
}

export const hasInstanceTag = (tagKey: Uint8Array, id: string, tag: string): boolean =>
  sameDigest(instanceTag(tagKey, id), tag);
