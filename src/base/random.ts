/** Cryptographically secure random bytes. Passed in, so that tests can seed it. */
export type Random = (bytes: number) => Uint8Array<ArrayBuffer>;

export const secureRandom: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));

/** Digits in the order of their value. */
export const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** `length` base62 characters, unbiased: bytes of 248 and above are thrown away (248 = 4 × 62). */
export function randomBase62(random: Random, length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of random(length - text.length + 8)) {
      if (byte < 248 && text.length < length) text += BASE62[byte % 62];
    }
  }
  return text;
}
