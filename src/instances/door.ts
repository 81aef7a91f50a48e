import { admit, type Counters, denied } from "../access/admission.ts";
import type { RateState } from "../access/counters.ts";
import type { Denial, QuotaState } from "../access/decision.ts";
import type { Lineage } from "../access/key.ts";
import { quotasLeft, rateLeft } from "../access/limits-left.ts";
import {
  afterFirstUse,
  matchSecret,
  matchSecretVersion,
  type SecretMatch,
  secretVersionOf,
} from "../access/rotation.ts";
import type { Scope } from "../access/scope.ts";
import { type SessionClaims, verifySession } from "../access/session.ts";
import { verifyTicket } from "../access/ticket.ts";
import type { Clock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Audit } from "./audit/store.ts";
import type { Actor, Admitted, Caller, Handlers, LimitState, Policy } from "./caller.ts";
import type { Answer, Command, Commands } from "./commands.ts";
import { policies } from "./commands.ts";
import type { SessionKeys } from "./keys/session-keys.ts";
import type { KeyStore } from "./keys/store.ts";
import type { Configuration } from "./server/configuration.ts";
import type { Transfers } from "./transfers/store.ts";

type Parts = {
  configuration: Configuration;
  tokenKeys: SessionKeys;
  keys: KeyStore;
  counters: Counters;
  audit: Audit;
  transfers: Transfers;
  clock: Clock;
};

/** What a credential says, verified as far as that takes time; the key itself is looked up in the turn that judges. */
type Known =
  | { by: "admin" }
  | { by: "key"; id: string; digest: string }
  | { by: "session"; id: string; secretVersion: number; claims: SessionClaims }
  | { by: "ticket"; id: string; secretVersion: number };

/**
 * The one way to a command, for every caller and surface: verdict, limits, audit intent, command. From the look-up of the
 * key to the audit row nothing is awaited, so no other request can come between a check and what it allows.
 */
export class Door {
  private readonly parts: Parts;
  private readonly handlers: Handlers<Commands>;

  constructor(parts: Parts, handlers: Handlers<Commands>) {
    this.parts = parts;
    this.handlers = handlers;
  }

  async perform(caller: Caller, command: Command): Promise<Answer> {
    const known = await this.identify(caller, command);
    if (!known.ok) return { result: known, limits: [] };
    const admitted = this.admit(caller, command, known.value);
    if (!admitted.ok) return { result: fail(admitted.error.problem), limits: admitted.error.limits };
    const { limits, ...who } = admitted.value;
    const run = this.handlers[command.do] as (
      input: Command,
      admitted: Admitted,
    ) => Answer["result"] | Promise<Answer["result"]>;
    const result = await run(command, who);
    if (who.auditRow !== null && !result.ok) this.parts.audit.outcome(who.auditRow, result.error.code, null);
    return { result, limits };
  }

  /** Tokens are verified here, before the synchronous turn; a key is only looked up in it. */
  private async identify(caller: Caller, command: Command): Promise<Result<Known, Problem>> {
    const { credential } = caller;
    const allowed = policyOf(command).credentials ?? ["admin", "key", "session"];
    if (!allowed.includes(credential.kind))
      return fail(problem(credential.kind === "ticket" ? "unauthenticated" : "credential_refused"));
    if (credential.kind === "admin") return ok({ by: "admin" });
    if (credential.kind === "key") return ok({ by: "key", id: credential.keyId, digest: credential.digest });

    const keys = await this.parts.tokenKeys.get();
    if (!keys.ok) return keys;
    const { id, tag } = this.parts.configuration.own;
    const ins = `${id}${tag}`;
    if (credential.kind === "session") {
      const claims = await verifySession(keys.value.session, credential.jwt, { ins, at: this.parts.clock() });
      if (!claims.ok) return claims;
      return ok({ by: "session", id: claims.value.id, secretVersion: claims.value.gen, claims: claims.value });
    }
    const claims = await verifyTicket(keys.value.ticket, credential.jwt, { ins, at: this.ticketJudgedAt(command) });
    return claims.ok ? ok({ by: "ticket", id: claims.value.id, secretVersion: claims.value.gen }) : claims;
  }

  /** A running transfer outlives its ticket, but nothing else of it (SECURITY 9). */
  private ticketJudgedAt(command: Command): number {
    const transfer = "transfer" in command ? command.transfer : null;
    return (transfer && this.parts.transfers.startedAt(transfer)) || this.parts.clock();
  }

  /** The backup that a command is about; an upload's second pass is about what its first one reserved. */
  private target(command: Command): string | null {
    if (command.do === "upload.confirm") return this.parts.transfers.reservation(command.reservation)?.name ?? null;
    const { target } = policyOf(command);
    return target ? ((command as { [input: string]: string | null })[target] ?? null) : null;
  }

  private match(lineage: Lineage | null, known: Exclude<Known, { by: "admin" }>, at: number): SecretMatch | null {
    if (!lineage) return null;
    if (known.by === "key") return matchSecret(lineage[0], known.digest, at);
    return matchSecretVersion(lineage[0], known.secretVersion, at);
  }

  private admit(
    caller: Caller,
    command: Command,
    known: Known,
  ): Result<Admitted & { limits: LimitState[] }, { problem: Problem; limits: LimitState[] }> {
    const { keys, clock, audit, counters } = this.parts;
    const policy = policyOf(command);
    const at = clock();
    const target = this.target(command);
    if (known.by === "admin") {
      const actor: Actor = { kind: "admin" };
      // Every call of the administrator is written down, but for the further steps of one that was.
      const unwritten = policy.continuation || policy.audit === "handler";
      const auditRow = unwritten ? null : audit.admit(actor, command.do, targetText(command), caller);
      return ok({
        caller,
        lineage: null,
        actor,
        at,
        auditRow,
        claims: null,
        secretVersion: 0,
        needsApproval: false,
        limits: [],
      });
    }
    const lineage = keys.lineage(known.id);
    const transfer = "transfer" in command ? command.transfer : null;
    const scopes = scopesOf(command, policy, target);
    const forAdmin = policy.scope === "admin";
    const attempt = {
      lineage,
      match: this.match(lineage, known, at),
      by: known.by,
      at,
      address: caller.address,
      scopes,
      again:
        forAdmin ||
        policy.continuation === true ||
        (transfer !== null && this.parts.transfers.startedAt(transfer) !== null),
      free: policy.skipQuota === true,
      ...(target !== null ? { backupKey: target } : {}),
    };
    const judged = forAdmin ? adminOnly(admit(attempt, counters), at, counters) : admit(attempt, counters);
    if (!judged.ok) {
      const refused = refusal(judged.error, policy.target);
      const actorText = judged.error.key ? `key:${judged.error.key}` : "unknown";
      audit.deny(actorText, refused.code, judged.error.reason, command.do, caller);
      return fail({ problem: refused, limits: this.exhausted(judged.error, lineage, at) });
    }
    const { key, rate, quotas } = judged.value;
    const written = afterFirstUse(key, judged.value.match);
    if (written) keys.update({ ...key, ...written });
    if (!attempt.again) keys.noteUse(key.id, caller.address);
    const actor: Actor = { kind: "key", id: key.id, name: key.name };
    const auditRow = policy.audit === true ? audit.admit(actor, command.do, targetText(command), caller) : null;
    const secretVersion = secretVersionOf(key, judged.value.match);
    return ok({
      caller,
      lineage: judged.value.lineage,
      actor,
      at,
      auditRow,
      claims: known.by === "session" ? known.claims : null,
      secretVersion,
      needsApproval: judged.value.needsApproval,
      limits: limitsOf(rate, quotas),
    });
  }

  /** The limit that a refused request ran into, for its answer. */
  private exhausted(denial: Denial, lineage: Lineage | null, at: number): LimitState[] {
    if (!lineage || (denial.reason !== "rate" && denial.reason !== "quota")) return [];
    const { rates, quotas } = this.parts.counters;
    const counts = {
      rate: (key: string, limit: number) => rates.peek(key, limit, at),
      quota: quotas.used.bind(quotas),
    };
    if (denial.reason === "rate") return limitsOf(rateLeft(lineage, counts, at), []);
    const spent = quotasLeft(lineage, counts, at).filter(({ remaining }) => remaining === 0);
    return limitsOf(null, spent);
  }
}

const policyOf = (command: Command): Policy => policies[command.do];

/** A living key is told that only the administrator may; everybody else what they are told everywhere. */
function adminOnly(judged: ReturnType<typeof admit>, at: number, counters: Counters): Result<never, Denial> {
  if (!judged.ok) return judged;
  return denied({ reason: "scope", key: judged.value.key.id, problem: problem("admin_only") }, at, counters);
}

const DAY_SECONDS = 86_400;

const limitOf = (
  name: string,
  windowSeconds: number,
  { limit, remaining, resetSeconds }: Pick<RateState, "limit" | "remaining" | "resetSeconds">,
): LimitState => ({ name, limit, windowSeconds, remaining, resetSeconds });

const limitsOf = (rate: RateState | null, quotas: readonly QuotaState[]): LimitState[] => [
  ...(rate ? [limitOf("rate", 60, rate)] : []),
  ...quotas.map((quota) => limitOf(quota.scope, DAY_SECONDS, quota)),
];

/** The scopes that this form of the command needs; the administrator's commands need none. */
function scopesOf(command: Command, { scope, also }: Policy, target: string | null): Scope[] {
  if (scope === null || scope === "admin") return [];
  return [scope, ...(also?.(command, target) ?? [])];
}

/** A backup outside the patterns does not exist for the key; a name it would like to make is told openly. */
const refusal = (denial: Denial, target: Policy["target"]): Problem =>
  denial.reason === "pattern" ? problem(target === "key" ? "backup_not_found" : "pattern_refused") : denial.problem;

function targetText(command: Command): string {
  for (const field of ["key", "name", "id"] as const) {
    const value = (command as Record<string, unknown>)[field];
    if (typeof value === "string") return value;
  }
  return "";
}
