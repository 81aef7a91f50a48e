import type { QuotaUse } from "../access/decision.ts";
import type { Holder, Lineage } from "../access/key.ts";
import type { Scope } from "../access/scope.ts";
import type { SessionClaims } from "../access/session.ts";
import type { Problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";

/** What a request presented, its shape and tag checked by the Worker; only digests and signed tokens cross the RPC. */
export type PresentedCredential =
  | { kind: "admin"; name?: string }
  | { kind: "key"; keyId: string; digest: string }
  | { kind: "session"; jwt: string }
  | { kind: "ticket"; jwt: string };

/**
 * Rights that something of the relay holds. Only the relay's own code makes one, after it has found out by the holder's
 * own rules (a platform's signature, a timetable) that the holder acts; no request is ever read as one.
 */
type HeldCredential = { kind: "held"; keyId: string; holder: Holder };

export type Credential = PresentedCredential | HeldCredential;

/** For commands that answer a secret to act with: a holder of rights without a secret does not turn them into one. */
export const PRESENTED_CREDENTIALS = ["admin", "key", "session"] as const;

/** Who may ask when a policy does not say: everybody but a ticket, which opens a download and nothing else. */
export const DEFAULT_CREDENTIALS = [...PRESENTED_CREDENTIALS, "held"] as const;

export type Caller<C extends Credential = Credential> = {
  credential: C;
  /** Null when the platform does not give it. */
  address: string | null;
  userAgent: string;
  requestId: string;
};

/** Who was admitted, as handlers see it. */
export type Admitted = {
  caller: Caller;
  /** Null for the administrator, who has every right. */
  lineage: Lineage | null;
  actor: CallerActor;
  at: number;
  /** The audit row of this command's intent, null when its policy writes none. */
  auditRow: number | null;
  /** Of the session the caller used; null otherwise. */
  claims: SessionClaims | null;
  /** Of the secret the caller holds: what is minted for it carries this and ends with it. */
  secretVersion: number;
  /** Another principal has to agree first: true only for commands whose policy waits for that. */
  needsApproval: boolean;
  /** The scopes that were needed; none for the administrator. */
  scopes: readonly Scope[];
  /** What was counted against quotas for it. */
  charged: readonly QuotaUse[];
};

/** Who was admitted, as audit and events name it: an administrator, by name where the token has one, or by id and name the rights that were used. */
export type CallerActor = { kind: "key" | "chat" | "schedule" | "admin"; id?: string; name?: string };

/** How a caller asks for an operation. */
export type RequestOptions = {
  /** How long to wait for its end; a restore asked for through `/api` only until its preflight is over. */
  waitSeconds: number;
  /** `/v1` may wait in line and for an approval; `/api` is refused at once. */
  surface: "api" | "v1";
  /** Of the Idempotency-Key header, with a SHA-256 over method, path and body; null without one. */
  idempotency: { key: string; fingerprint: string } | null;
};

/** Commands of one domain word: by name, what goes in and what comes out. */
type CommandMap = { [name: string]: { input: object; output: unknown } };

/** What runs a command once its caller was admitted. */
export type Handlers<C extends CommandMap> = {
  [N in keyof C]: (
    input: { do: N } & C[N]["input"],
    admitted: Admitted,
  ) => Promise<Result<C[N]["output"], Problem>> | Result<C[N]["output"], Problem>;
};

/**
 * What a command asks of its caller, in one row: nothing about it is stated anywhere else. `scope: null` admits any living
 * key; `"admin"` only the administrator. `target` names the input that holds a backup key, or the reservation that holds
 * one, which the lineage's patterns must admit. `audit` writes a row before the command runs; reads that take nothing out
 * write none, and `"handler"` leaves it to the command.
 */
// biome-ignore lint/suspicious/noExplicitAny: a row of any command is a policy.
export type Policy<Input = any> = {
  scope: Scope | "admin" | null;
  /** Further scopes that this form of the command needs; `target` as the input, or the reservation, names it. */
  also?: (input: Input, target: string | null) => Scope[];
  target?: "key" | "name" | "reservation";
  audit: boolean | "handler";
  /** Asks for the scope and does nothing with it: uses no daily quota, needs nobody's approval. */
  dryRun?: boolean;
  /**
   * Whether this form of the command makes its operation wait for another principal. What does not wait is refused for a
   * caller who needs an approval: no handler has to think of it.
   */
  waitsForApproval?: (input: Input) => boolean;
  /** A further step of something already admitted: everything is checked again, but nothing is counted again. */
  continuation?: boolean;
  /** Kinds of credentials that may ask; `DEFAULT_CREDENTIALS` when left out. */
  credentials?: readonly Credential["kind"][];
};

export type Policies<C extends CommandMap> = { [N in keyof C]: Policy<C[N]["input"]> };
