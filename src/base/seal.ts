import { base64url, fromBase64url, fromUtf8, utf8 } from "./encoding.ts";
import type { Random } from "./random.ts";
import { fail, ok, type Result } from "./result.ts";

/**
 * Sealing of what lets its holder act (credentials, signing keys): AES-256-GCM under a key derived by HKDF-SHA-256 from
 * an `ENCRYPTION_KEY`. The text is `s1.<key mark>.<nonce ‖ ciphertext>`; the mark says which key sealed it, so that
 * none has to be tried. The context (instance, table, column, origin) is authenticated, so a sealed value cannot be
 * moved to another row.
 */
export type Sealer = {
  seal(plain: string, context: string): Promise<string>;
  /** Whether the first of the keys sealed it. */
  isCurrent(sealed: string): Promise<boolean>;
  /** `locked`: no configured key sealed this. `damaged`: the right key, but the text or its context was altered. */
  open(sealed: string, context: string): Promise<Result<{ plain: string; old: boolean }, "locked" | "damaged">>;
};

type SealingKey = { mark: string; aes: CryptoKey };

export function sealer(encryptionKeys: readonly Uint8Array<ArrayBuffer>[], random: Random): Sealer {
  const keys = Promise.all(encryptionKeys.map(derive));
  return {
    async seal(plain, context) {
      const key = (await keys)[0]!;
      const nonce = random(12);
      const cipher = await crypto.subtle.encrypt(
        { name: "AES-GCM", iv: nonce, additionalData: utf8(context) },
        key.aes,
        utf8(plain),
      );
      const bytes = new Uint8Array(12 + cipher.byteLength);
      bytes.set(nonce);
      bytes.set(new Uint8Array(cipher), 12);
      return `s1.${key.mark}.${base64url(bytes)}`;
    },
    async isCurrent(sealed) {
      return sealed.split(".")[1] === (await keys)[0]!.mark;
    },
    async open(sealed, context) {
      const [version, mark, coded] = sealed.split(".");
      const all = await keys;
      const index = all.findIndex((key) => key.mark === mark);
      if (version !== "s1" || index < 0) return fail("locked");
      const bytes = fromBase64url(coded ?? "");
      if (bytes === null || bytes.length < 28) return fail("damaged");
      try {
        const plain = await crypto.subtle.decrypt(
          { name: "AES-GCM", iv: bytes.subarray(0, 12), additionalData: utf8(context) },
          all[index]!.aes,
          bytes.subarray(12),
        );
        return ok({ plain: fromUtf8(new Uint8Array(plain)), old: index > 0 });
      } catch {
        return fail("damaged");
      }
    },
  };
}

async function derive(secret: Uint8Array<ArrayBuffer>): Promise<SealingKey> {
  const root = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const bits = (label: string, length: number) =>
    crypto.subtle.deriveBits(
      { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8(label) },
      root,
      length,
    );
  const aes = await crypto.subtle.importKey("raw", await bits("backup-relay/seal/v1", 256), "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
  return { mark: base64url(new Uint8Array(await bits("backup-relay/seal-mark/v1", 48))), aes };
}
