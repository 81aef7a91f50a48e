import type { Lineage } from "../../access/key.ts";
import { mintSession, renewSession } from "../../access/session.ts";
import { mintTicket } from "../../access/ticket.ts";
import { problem } from "../../base/problem.ts";
import { fail, ok } from "../../base/result.ts";
import { tokenExpiry } from "../../upstream/token.ts";
import { type Handlers, type Policies, PRESENTED_CREDENTIALS } from "../caller.ts";
import type { Configuration } from "../server/store.ts";
import type { SessionKeys } from "./session-keys.ts";

export type SessionGrant = { token: string; keyId: string; keyName: string; expires: number; created: number };

export type SessionCommands = {
  "session.create": { input: object; output: SessionGrant };
  "session.refresh": { input: object; output: SessionGrant };
  "ticket.create": { input: object; output: { token: string; expires: number } };
};

export const sessionPolicies: Policies<SessionCommands> = {
  "session.create": { scope: null, audit: true, credentials: ["key"] },
  "session.refresh": { scope: null, audit: true, credentials: ["key", "session"] },
  "ticket.create": { scope: "backups:download", audit: true, credentials: PRESENTED_CREDENTIALS },
};

type Deps = { configuration: Configuration; tokenKeys: SessionKeys };

/** Sessions for SDKs and tickets for `?token=`: both end with the secret they were made with. */
export function sessionHandlers({ configuration, tokenKeys }: Deps): Handlers<SessionCommands> {
  const ins = () => `${configuration.own.id}${configuration.own.tag}`;
  const grant = (token: string, lineage: Lineage): SessionGrant => ({
    token,
    keyId: lineage[0].id,
    keyName: lineage[0].name,
    expires: tokenExpiry(token) ?? 0,
    created: lineage[0].created,
  });

  return {
    "session.create": async (_input, { lineage, at, secretVersion }) => {
      if (!lineage) return fail(problem("login_failed"));
      const keys = await tokenKeys.get();
      if (!keys.ok) return keys;
      const token = await mintSession(keys.value.session, { lineage, ins: ins(), secretVersion, at });
      return token.ok ? ok(grant(token.value, lineage)) : token;
    },

    "session.refresh": async (_input, { lineage, at, secretVersion, claims, caller }) => {
      if (!lineage) return fail(problem("unauthenticated"));
      const keys = await tokenKeys.get();
      if (!keys.ok) return keys;
      const token =
        claims && caller.credential.kind === "session"
          ? await renewSession(keys.value.session, { jwt: caller.credential.jwt, claims, lineage, at })
          : await mintSession(keys.value.session, { lineage, ins: ins(), secretVersion, at });
      return token.ok ? ok(grant(token.value, lineage)) : token;
    },

    "ticket.create": async (_input, { lineage, at, secretVersion }) => {
      if (!lineage) return fail(problem("credential_refused"));
      const keys = await tokenKeys.get();
      if (!keys.ok) return keys;
      const token = await mintTicket(keys.value.ticket, { lineage, ins: ins(), secretVersion, at });
      return token.ok ? ok({ token: token.value, expires: tokenExpiry(token.value) ?? 0 }) : token;
    },
  };
}
