import type { ApiKey, Holder } from "../../access/key.ts";
import { matchHolder, matchSecret, matchSecretVersion, type SecretMatch } from "../../access/rotation.ts";
import { type SessionClaims, verifySession } from "../../access/session.ts";
import { verifyTicket } from "../../access/ticket.ts";
import type { Problem } from "../../base/problem.ts";
import { ok, type Result } from "../../base/result.ts";
import type { Credential } from "../caller.ts";
import type { SessionKeys } from "../keys/session-keys.ts";

/** Whom a credential names. A token's signature is verified; whether the key is alive is decided later. */
export type Identity = { by: "admin"; name?: string } | KeyIdentity;

export type KeyIdentity =
  | { by: "key"; id: string; digest: string }
  | { by: "held"; id: string; holder: Holder }
  | { by: "session"; id: string; secretVersion: number; claims: SessionClaims }
  | { by: "ticket"; id: string; secretVersion: number };

type IdentifyOptions = {
  tokenKeys: SessionKeys;
  /** The instance, whose id and tag its tokens name. Asked for tokens alone: a removed instance has neither. */
  place: () => { id: string; tag: string };
  now: number;
  /** The time a ticket must be valid at. */
  ticketAt: number;
};

/** Everything about a credential that takes time. */
export async function identify(credential: Credential, expected: IdentifyOptions): Promise<Result<Identity, Problem>> {
  if (credential.kind === "admin") return ok({ by: "admin", ...(credential.name ? { name: credential.name } : {}) });
  if (credential.kind === "key") return ok({ by: "key", id: credential.keyId, digest: credential.digest });
  if (credential.kind === "held") return ok({ by: "held", id: credential.keyId, holder: credential.holder });

  const { now, ticketAt } = expected;
  const keys = await expected.tokenKeys.get();
  if (!keys.ok) return keys;
  const { id, tag } = expected.place();
  const ins = id + tag;
  if (credential.kind === "session") {
    const session = await verifySession(keys.value.session, credential.jwt, { ins, at: now });
    if (!session.ok) return session;
    return ok({ by: "session", id: session.value.id, secretVersion: session.value.gen, claims: session.value });
  }
  const ticket = await verifyTicket(keys.value.ticket, credential.jwt, { ins, at: ticketAt });
  return ticket.ok ? ok({ by: "ticket", id: ticket.value.id, secretVersion: ticket.value.gen }) : ticket;
}

/** Which of the key's secrets the identity was proven with, its holder counting as the current one; null: none. */
export function matchIdentity(key: ApiKey, identity: KeyIdentity, at: number): SecretMatch | null {
  if (identity.by === "key") return matchSecret(key, identity.digest, at);
  if (identity.by === "held") return matchHolder(key, identity.holder);
  return matchSecretVersion(key, identity.secretVersion, at);
}
