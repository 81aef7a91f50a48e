import { utf8 } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Lineage } from "./key.ts";
import { effectiveExpiry } from "./lineage.ts";
import { signToken, verifyToken } from "./signed-token.ts";

/** PocketBase's own id of `_superusers`, by which SDKs know a superuser's token. */
export const SUPERUSERS_ID = "pbc_3142635823";
const SESSION_SECONDS = 86_400;
/** From the login on, whatever is renewed (SECURITY 8). */
export const RENEWAL_SECONDS = 30 * 86_400;
const AUDIENCE = "backup-relay session";

/**
 * A session: what PocketBase's JS, Dart, Python and Elixir SDKs accept as a superuser's login. Some decode the payload
 * with plain `atob`, so its text must never need `-` or `_` in base64url: ASCII without `>`, `?`, `~` and DEL.
 */
export type SessionClaims = {
  type: "auth";
  collectionId: typeof SUPERUSERS_ID;
  /** The key's id. */
  id: string;
  /** False when `auth-refresh` could not make it last longer. */
  refreshable: boolean;
  /** Instance and tag, by which the Worker finds the object. */
  ins: string;
  /** Version of the secret it was made with (`secretVersion`). */
  gen: number;
  /** The login, seconds since the epoch, as `iat` and `exp`. */
  login: number;
  iat: number;
  exp: number;
  aud: typeof AUDIENCE;
  /** Fills the payload to a multiple of three bytes: Go's SDK of BosBase takes only payloads that need no `=`. */
  pad: string;
};

type NewSession = {
  lineage: Lineage;
  ins: string;
  secretVersion: number;
  at: number;
  login?: number;
  seconds?: number;
};

/**
 * A new session, one day long unless said otherwise; never beyond the lineage's expiry or 30 days after the login.
 * `unauthenticated` when nothing is left.
 */
export async function mintSession(key: CryptoKey, session: NewSession): Promise<Result<string, Problem>> {
  const iat = Math.floor(session.at / 1000);
  const login = session.login ?? iat;
  const end = Math.min(login + RENEWAL_SECONDS, Math.floor((effectiveExpiry(session.lineage) ?? Infinity) / 1000));
  const exp = Math.min(iat + (session.seconds ?? SESSION_SECONDS), end);
  if (exp <= iat) return fail(problem("unauthenticated"));
  const claims: SessionClaims = {
    type: "auth",
    collectionId: SUPERUSERS_ID,
    id: session.lineage[0].id,
    refreshable: exp < end,
    ins: session.ins,
    gen: session.secretVersion,
    login,
    iat,
    exp,
    aud: AUDIENCE,
    pad: "",
  };
  const bytes = utf8(JSON.stringify(claims)).length;
  return ok(await signToken(key, { ...claims, pad: " ".repeat((3 - (bytes % 3)) % 3) }));
}

/** `auth-refresh`: a longer session of the same login and secret; the same one again when it is not refreshable. */
export async function renewSession(
  key: CryptoKey,
  session: { jwt: string; claims: SessionClaims; lineage: Lineage; at: number; seconds?: number },
): Promise<Result<string, Problem>> {
  const { claims, jwt, ...rest } = session;
  if (!claims.refreshable) return ok(jwt);
  return mintSession(key, { ...rest, ins: claims.ins, secretVersion: claims.gen, login: claims.login });
}

/**
 * The claims of a genuine, unexpired session of this instance, else `unauthenticated`. The key's state is not looked
 * at: `matchSecretVersion` and the decision follow. Async, so verify before the turn that looks the key up.
 */
export async function verifySession(
  key: CryptoKey,
  jwt: string,
  expected: { ins: string; at: number },
): Promise<Result<SessionClaims, Problem>> {
  const required = ["exp", "iat", "gen", "login", "id"];
  const claims = await verifyToken<SessionClaims>(key, jwt, { ...expected, type: "auth", aud: AUDIENCE, required });
  return claims ? ok(claims) : fail(problem("unauthenticated"));
}
