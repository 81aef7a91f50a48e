import { admit, type Counters, deny } from "../access/admission.ts";
import type { AccessRequest, Admission, Decision, Denial } from "../access/decision.ts";
import type { Lineage } from "../access/key.ts";
import { afterFirstUse, secretVersionOf } from "../access/rotation.ts";
import type { Scope } from "../access/scope.ts";
import type { Clock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { actorOfKey, actorText } from "./actor.ts";
import type { Audit } from "./audit/store.ts";
import { type Actor, type Admitted, type Caller, DEFAULT_CREDENTIALS, type Handlers, type Policy } from "./caller.ts";
import type { Answer, Command, Commands } from "./commands.ts";
import { policies } from "./commands.ts";
import { type Identity, identify, type KeyIdentity, matchIdentity } from "./identity.ts";
import type { SessionKeys } from "./keys/session-keys.ts";
import type { KeyStore } from "./keys/store.ts";
import { exhaustedLimits, type LimitState, limitsOf } from "./limits.ts";
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

type Passed = { admitted: Admitted; limits: LimitState[] };
type Refused = { problem: Problem; limits: LimitState[] };

/**
 * The one way to a command, for every caller and surface: identify, decide, run. From the look-up of the key to the audit
 * row nothing is awaited, so no other request can come between a check and what it allows.
 */
export class Door {
  private readonly parts: Parts;
  private readonly handlers: Handlers<Commands>;

  constructor(parts: Parts, handlers: Handlers<Commands>) {
    this.parts = parts;
    this.handlers = handlers;
  }

  async perform(caller: Caller, command: Command): Promise<Answer> {
    const identity = await this.identify(caller, command);
    if (!identity.ok) return { result: identity, limits: [] };
    const decided = this.decide(caller, command, identity.value);
    if (!decided.ok) return { result: fail(decided.error.problem), limits: decided.error.limits };
    const { admitted, limits } = decided.value;
    return { result: await this.run(command, admitted), limits };
  }

  /** Everything about the credential that has to be awaited, before the synchronous turn. */
  private async identify({ credential }: Caller, command: Command): Promise<Result<Identity, Problem>> {
    const { configuration, tokenKeys, clock } = this.parts;
    const allowed = policyOf(command).credentials ?? DEFAULT_CREDENTIALS;
    if (!allowed.includes(credential.kind))
      return fail(problem(credential.kind === "ticket" ? "unauthenticated" : "credential_refused"));
    const now = clock();
    // A running transfer outlives its ticket, but nothing else of it (SECURITY 9).
    const ticketAt = this.transferStart(command) ?? now;
    return identify(credential, { tokenKeys, place: () => configuration.own, now, ticketAt });
  }

  /** The synchronous turn: look-up, decision, counters, audit row. */
  private decide(caller: Caller, command: Command, identity: Identity): Result<Passed, Refused> {
    const at = this.parts.clock();
    if (identity.by === "admin") return ok(this.passAdministrator(caller, command, at));
    const lineage = this.parts.keys.lineage(identity.id);
    const request = this.request(caller, command, identity, lineage, at);
    const decision = admit(request, this.parts.counters);
    if (policyOf(command).scope === "admin")
      return fail(this.refuse(caller, command, this.adminOnly(decision, at), lineage, at));
    return decision.ok
      ? ok(this.pass(caller, command, identity, decision.value, request))
      : fail(this.refuse(caller, command, decision.error, lineage, at));
  }

  private async run(command: Command, admitted: Admitted): Promise<Answer["result"]> {
    const handler = this.handlers[command.do] as (
      input: Command,
      admitted: Admitted,
    ) => Answer["result"] | Promise<Answer["result"]>;
    const result = await handler(command, admitted);
    if (admitted.auditRow !== null && !result.ok) this.parts.audit.outcome(admitted.auditRow, result.error.code, null);
    return result;
  }

  private request(
    caller: Caller,
    command: Command,
    identity: KeyIdentity,
    lineage: Lineage | null,
    at: number,
  ): AccessRequest {
    const policy = policyOf(command);
    const backupKey = this.targetOf(command);
    return {
      lineage,
      match: lineage && matchIdentity(lineage[0], identity, at),
      by: identity.by,
      at,
      address: caller.address,
      scopes: scopesOf(command, policy, backupKey),
      // What only the administrator may is refused in any case, so it is not counted.
      continuation: policy.continuation === true || policy.scope === "admin" || this.transferStart(command) !== null,
      skipQuota: policy.skipQuota === true,
      ...(backupKey === null ? {} : { backupKey }),
    };
  }

  /** Every call of the administrator is written down, but for the further steps of one that was. */
  private passAdministrator(caller: Caller, command: Command, at: number): Passed {
    const policy = policyOf(command);
    const actor: Actor = { kind: "admin" };
    const audited = !policy.continuation && policy.audit !== "handler";
    const auditRow = audited ? this.parts.audit.admit(actor, command.do, targetText(command), caller) : null;
    const rights = { lineage: null, claims: null, secretVersion: 0, needsApproval: false };
    return { admitted: { caller, actor, at, auditRow, ...rights }, limits: [] };
  }

  private pass(
    caller: Caller,
    command: Command,
    identity: KeyIdentity,
    admission: Admission,
    { at, continuation }: AccessRequest,
  ): Passed {
    const { keys, audit } = this.parts;
    const { key, lineage, match, needsApproval } = admission;
    const rotated = afterFirstUse(key, match);
    if (rotated) keys.update({ ...key, ...rotated });
    if (!continuation) keys.noteUse(key.id, caller.address);
    const actor = actorOfKey(key);
    const audited = policyOf(command).audit === true;
    const auditRow = audited ? audit.admit(actor, command.do, targetText(command), caller) : null;
    const claims = identity.by === "session" ? identity.claims : null;
    const secretVersion = secretVersionOf(key, match);
    return {
      admitted: { caller, lineage, actor, at, auditRow, claims, secretVersion, needsApproval },
      limits: limitsOf(admission),
    };
  }

  private refuse(caller: Caller, command: Command, denial: Denial, lineage: Lineage | null, at: number): Refused {
    const refusal = refusalOf(denial, policyOf(command).target);
    const actor = denial.key !== null && lineage ? actorText(actorOfKey(lineage[0])) : "unknown";
    this.parts.audit.deny(actor, refusal.code, denial.reason, command.do, caller);
    return { problem: refusal, limits: exhaustedLimits(denial, lineage, this.parts.counters, at) };
  }

  /** A living key learns that only the administrator may; everybody else gets the refusal they get everywhere. */
  private adminOnly(decision: Decision, at: number): Denial {
    if (!decision.ok) return decision.error;
    const denial: Denial = { reason: "scope", key: decision.value.key.id, problem: problem("admin_only") };
    return deny(denial, at, this.parts.counters).error;
  }

  /** The backup that a command is about; the second pass of an upload is about the name that the first one reserved. */
  private targetOf(command: Command): string | null {
    if (command.do === "upload.confirm") return this.parts.transfers.reservation(command.reservation)?.name ?? null;
    const { target } = policyOf(command);
    return target ? ((command as { [input: string]: string | null })[target] ?? null) : null;
  }

  /** When the transfer began that this command continues; null when it continues none. */
  private transferStart(command: Command): number | null {
    const transfer = "transfer" in command ? command.transfer : null;
    return transfer ? this.parts.transfers.startedAt(transfer) : null;
  }
}

const policyOf = (command: Command): Policy => policies[command.do];

/** The scopes that this form of the command needs; the administrator's commands need none. */
function scopesOf(command: Command, { scope, also }: Policy, target: string | null): Scope[] {
  if (scope === null || scope === "admin") return [];
  return [scope, ...(also?.(command, target) ?? [])];
}

/** A backup outside the patterns does not exist for the key; of a name it would like to make, the reason is told. */
const refusalOf = (denial: Denial, target: Policy["target"]): Problem =>
  denial.reason === "pattern" ? problem(target === "key" ? "backup_not_found" : "pattern_refused") : denial.problem;

/** What a command is about, for its audit row. */
function targetText(command: Command): string {
  for (const field of ["key", "name", "id"] as const) {
    const value = (command as Record<string, unknown>)[field];
    if (typeof value === "string") return value;
  }
  return "";
}
