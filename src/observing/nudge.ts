import { createHmac } from "node:crypto";
import { sameDigest } from "../access/token.ts";
import { fromHex, hex } from "../base/encoding.ts";

/** How far a nudge's time may be from ours, and so how long its nonce is remembered. */
export const NUDGE_SKEW_MS = 300_000;

/**
 * The nonce of a genuine, timely nudge, or null: `X-Signature` is the hex HMAC-SHA256 of the body under the nudge
 * secret; the body says `at` (ISO 8601, or seconds since the epoch) and `nonce`. The caller checks whether the nonce
 * was used before.
 */
export function readNudge(secret: string, body: string, signature: string, at: number): string | null {
  if (fromHex(signature)?.length !== 32) return null;
  const expected = hex(createHmac("sha256", secret).update(body).digest());
  if (!sameDigest(expected, signature.toLowerCase())) return null;
  try {
    const { at: written, nonce } = JSON.parse(body) as { at?: unknown; nonce?: unknown };
    const time = typeof written === "number" ? written * 1000 : Date.parse(String(written).replace(" ", "T"));
    const timely = Math.abs(time - at) <= NUDGE_SKEW_MS;
    return timely && typeof nonce === "string" && nonce.length >= 8 && nonce.length <= 64 ? nonce : null;
  } catch {
    return null;
  }
}
