import { fromBase64url, fromUtf8 } from "../base/encoding.ts";
import { serverTimeOf } from "./health.ts";

/** What a PocketBase token says of itself (`core/record_tokens.go`). Unverified: only the server can verify it. */
type TokenClaims = {
  /** Id of the superuser's record. */
  id: string;
  collectionId: string;
  /** ms since the epoch; null when the token never expires. */
  expires: number | null;
  /** False for impersonate tokens, which `auth-refresh` hands back unchanged. */
  refreshable: boolean;
};

/** Reads a JWT's payload without verifying it; null when it is not a JWT. */
export function tokenClaims(jwt: string): TokenClaims | null {
  const parts = jwt.split(".");
  const bytes = parts.length === 3 ? fromBase64url(parts[1]!.replace(/=+$/, "")) : null;
  if (!bytes) return null;
  try {
    const claims: unknown = JSON.parse(fromUtf8(bytes));
    if (typeof claims !== "object" || claims === null) return null;
    const { id, collectionId, exp, refreshable } = claims as Record<string, unknown>;
    return {
      id: typeof id === "string" ? id : "",
      collectionId: typeof collectionId === "string" ? collectionId : "",
      expires: typeof exp === "number" ? exp * 1000 : null,
      refreshable: refreshable === true,
    };
  } catch {
    return null;
  }
}

/** When a token ends by the server's clock, in ms since the epoch; null when it does not say. */
export const tokenExpiry = (jwt: string): number | null => tokenClaims(jwt)?.expires ?? null;

/**
 * When a token that has just been issued ends by our clock `now`: its life is what lies between the server's own `Date`
 * and `exp`, so a server whose clock is an hour off does not make a dead token look fresh.
 */
export function endOf(jwt: string, headers: Headers, now: number): number | null {
  const end = tokenExpiry(jwt);
  return end === null ? null : now + end - (serverTimeOf(headers) ?? now);
}
