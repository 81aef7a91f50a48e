import { decodeJwt } from "jose";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { INSTANCE_ID_LENGTH, KEY_ID_LENGTH, parseKeyText, secretDigest, TAG_LENGTH } from "./token.ts";

/** A key's secret stays in the Worker: only its digest travels. */
type KeyCredential = { kind: "key"; instance: string; tag: string; keyId: string; digest: string };
/** Unverified: `instance` and `tag` only say which object can verify it, `keyId` whose it claims to be. */
type JwtCredential = { kind: "session" | "ticket"; jwt: string; instance: string; tag: string; keyId: string };
/** Perhaps ADMIN_TOKEN: compare its digest (SHA-256, hex) with that of the setting. */
type OpaqueCredential = { kind: "opaque"; digest: string };
export type ParsedCredential = KeyCredential | JwtCredential | OpaqueCredential;

/** Longer than any credential of the relay; bounds what a made-up header costs to parse. */
const MAX_LENGTH = 2048;
const INS = new RegExp(`^[0-9A-Za-z]{${INSTANCE_ID_LENGTH + TAG_LENGTH}}$`);
const JWT_KINDS: Record<string, "session" | "ticket"> = { auth: "session", file: "ticket" };

function parseJwt(text: string): JwtCredential | null {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return null;
  try {
    const { ins, type, id } = decodeJwt(text);
    const kind = typeof type === "string" && Object.hasOwn(JWT_KINDS, type) ? JWT_KINDS[type] : undefined;
    if (typeof ins !== "string" || !INS.test(ins) || !kind) return null;
    const [instance, tag] = [ins.slice(0, INSTANCE_ID_LENGTH), ins.slice(INSTANCE_ID_LENGTH)];
    return { kind, jwt: text, instance, tag, keyId: typeof id === "string" ? id.slice(0, KEY_ID_LENGTH) : "" };
  } catch {
    return null;
  }
}

/**
 * What a text claims to be. No I/O; nothing is verified. Null: nothing, too long, or a key with a typing error.
 * Serves the password of `auth-with-password` as well.
 */
export function parseCredential(text: string): ParsedCredential | null {
  if (text === "" || text.length > MAX_LENGTH) return null;
  if (text.startsWith("brk_")) {
    const parts = parseKeyText(text);
    if (!parts) return null;
    return { kind: "key", instance: parts.instance, tag: parts.tag, keyId: parts.keyId, digest: secretDigest(text) };
  }
  return parseJwt(text) ?? { kind: "opaque", digest: secretDigest(text) };
}

/**
 * The value of an `Authorization` header: the raw token as PocketBase's SDKs send it, or `Bearer` in any case before it.
 * A ticket counts as no credential at all there (SECURITY 8).
 */
export function parseAuthorization(value: string | null): Exclude<ParsedCredential, { kind: "ticket" }> | null {
  const credential = parseCredential((value ?? "").trim().replace(/^bearer +/i, ""));
  return credential?.kind === "ticket" ? null : (credential as Exclude<ParsedCredential, { kind: "ticket" }> | null);
}

/** The value of `?token=` on a download: a ticket and nothing else; everything else is refused with PocketBase's 403. */
export function parseTicketParameter(value: string | null): Result<JwtCredential, Problem> {
  const credential = parseCredential(value ?? "");
  return credential?.kind === "ticket" ? ok(credential) : fail(problem("ticket_refused"));
}
