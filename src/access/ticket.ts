import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Lineage } from "./key.ts";
import { effectiveExpiry } from "./lineage.ts";
import { SUPERUSERS_ID } from "./session.ts";
import { signToken, verifyToken } from "./signed-token.ts";

/** As long as PocketBase's own file token. */
const TICKET_SECONDS = 180;
const AUDIENCE = "backup-relay ticket";

/** What `?token=` carries: PocketBase's file token in shape, but it opens only what its key may download. */
type TicketClaims = {
  type: "file";
  collectionId: typeof SUPERUSERS_ID;
  /** The key's id. */
  id: string;
  /** Instance and tag. */
  ins: string;
  /** Version of the secret it was made with (`secretVersion`). */
  gen: number;
  /** Seconds since the epoch. */
  iat: number;
  exp: number;
  aud: typeof AUDIENCE;
};

/** A new ticket, never beyond the lineage's expiry; `unauthenticated` when nothing is left. */
export async function mintTicket(
  key: CryptoKey,
  ticket: { lineage: Lineage; ins: string; secretVersion: number; at: number; seconds?: number },
): Promise<Result<string, Problem>> {
  const iat = Math.floor(ticket.at / 1000);
  const end = Math.floor((effectiveExpiry(ticket.lineage) ?? Infinity) / 1000);
  const exp = Math.min(iat + (ticket.seconds ?? TICKET_SECONDS), end);
  if (exp <= iat) return fail(problem("unauthenticated"));
  const claims: TicketClaims = {
    type: "file",
    collectionId: SUPERUSERS_ID,
    id: ticket.lineage[0].id,
    ins: ticket.ins,
    gen: ticket.secretVersion,
    iat,
    exp,
    aud: AUDIENCE,
  };
  return ok(await signToken(key, claims));
}

/**
 * The claims of a genuine, unexpired ticket of this instance, else `ticket_refused`; the whole decision follows. Whoever
 * re-checks a running transfer passes the time of its start (SECURITY 9: ticket age aside).
 */
export async function verifyTicket(
  key: CryptoKey,
  jwt: string,
  expected: { ins: string; at: number },
): Promise<Result<TicketClaims, Problem>> {
  const required = ["exp", "iat", "gen", "id"];
  const claims = await verifyToken<TicketClaims>(key, jwt, { ...expected, type: "file", aud: AUDIENCE, required });
  return claims ? ok(claims) : fail(problem("ticket_refused"));
}
