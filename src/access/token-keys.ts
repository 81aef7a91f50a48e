import { utf8 } from "../base/encoding.ts";

/** The HS256 keys of one instance. Not extractable; a session's signature means nothing to the ticket's key. */
export type TokenKeys = { session: CryptoKey; ticket: CryptoKey };

/**
 * Derives both from the instance's 32-byte session key: HKDF-SHA256 (RFC 5869), no salt, one label each. Derive once
 * when the object wakes. Another key length is a programming error and throws.
 */
export async function deriveTokenKeys(sessionKey: Uint8Array<ArrayBuffer>): Promise<TokenKeys> {
  if (sessionKey.length !== 32) throw new TypeError("A session key has 32 bytes.");
  const base = await crypto.subtle.importKey("raw", sessionKey, "HKDF", false, ["deriveKey"]);
  const derive = (label: string) =>
    crypto.subtle.deriveKey(
      { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: utf8(label) },
      base,
      { name: "HMAC", hash: "SHA-256", length: 256 },
      false,
      ["sign", "verify"],
    ) as Promise<CryptoKey>;
  return { session: await derive("backup-relay session v1"), ticket: await derive("backup-relay ticket v1") };
}
