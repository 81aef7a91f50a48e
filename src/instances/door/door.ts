import { admit, type Counters, deny } from "../../access/admission.ts";
import type { Admission, Decision, Denial } from "../../access/decision.ts";
import type { Lineage } from "../../access/key.ts";
import { afterFirstUse, secretVersionOf } from "../../access/rotation.ts";
import type { Clock } from "../../base/clock.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { problems } from "../../base/problems.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { actorOfKey, actorText } from "../actor.ts";
import type { Audit } from "../audit/store.ts";
import {
  type Admitted,
  type Caller,
  type CallerActor,
  DEFAULT_CREDENTIALS,
  type Handlers,
  type Policy,
} from "../caller.ts";
import type { Command, CommandAnswer, Commands } from "../commands.ts";
import type { SessionKeys } from "../keys/session-keys.ts";
import type { KeyStore } from "../keys/store.ts";
import type { Configuration } from "../server/store.ts";
import type { Transfers } from "../transfers/store.ts";
import { type Identity, identify, type KeyIdentity, matchIdentity } from "./identity.ts";
import { exhaustedLimits, givenBack, type LimitState, limitsOf } from "./limits.ts";
import { policyOf, type Requirements, requirementsOf, transferStart } from "./requirements.ts";

type Deps = {
  configuration: Configuration;
  tokenKeys: SessionKeys;
  keys: KeyStore;
  counters: Counters;
  audit: Audit;
  transfers: Transfers;
  /** Whether a request is a repetition, which is answered without anything being done again. */
  repeats: (actor: CallerActor, command: Command) => boolean;
  clock: Clock;
};

/** One call in its synchronous turn. */
type Turn = { caller: Caller; command: Command; requirements: Requirements; at: number };
type Passed = { admitted: Admitted; limits: LimitState[] };
type Refusal = { problem: Problem; limits: LimitState[] };

/**
 * The one way to a command, for every caller and surface: identify, decide, run. From the look-up of the key to the audit
 * row nothing is awaited, so no other request can come between a check and what it allows.
 */
export class Door {
  private readonly parts: Deps;
  private readonly handlers: Handlers<Commands>;

  constructor(parts: Deps, handlers: Handlers<Commands>) {
    this.parts = parts;
    this.handlers = handlers;
  }

  async perform(caller: Caller, command: Command): Promise<CommandAnswer> {
    const identity = await this.identify(caller, command);
    if (!identity.ok) return { result: identity, limits: [] };
    const decided = this.decide(caller, command, identity.value);
    if (!decided.ok) return { result: fail(decided.error.problem), limits: decided.error.limits };
    const { admitted, limits } = decided.value;
    const result = await this.run(command, admitted);
    if (result.ok) return { result, limits };
    for (const use of admitted.charged) this.parts.counters.quotas.giveBack(use);
    return { result, limits: givenBack(limits, admitted.charged) };
  }

  /** Everything about the credential that has to be awaited, before the synchronous turn. */
  private async identify({ credential }: Caller, command: Command): Promise<Result<Identity, Problem>> {
    const { configuration, tokenKeys, transfers, clock } = this.parts;
    const allowed = policyOf(command).credentials ?? DEFAULT_CREDENTIALS;
    if (!allowed.includes(credential.kind))
      return fail(problem(credential.kind === "ticket" ? "unauthenticated" : "credential_refused"));
    const now = clock();
    // A running transfer outlives its ticket, but nothing else of it (SECURITY 9).
    const ticketAt = transferStart(command, transfers) ?? now;
    return identify(credential, { tokenKeys, place: () => configuration.own, now, ticketAt });
  }

  /** The synchronous turn: look-up, decision, counters, audit row. */
  private decide(caller: Caller, command: Command, identity: Identity): Result<Passed, Refusal> {
    const { keys, transfers, clock } = this.parts;
    const call: Turn = { caller, command, requirements: requirementsOf(command, transfers), at: clock() };
    if (identity.by === "admin") return ok(this.passAdministrator(call, identity));
    const lineage = keys.lineage(identity.id);
    const decision = this.admit(call, identity, lineage);
    return decision.ok
      ? ok(this.pass(call, identity, decision.value))
      : fail(this.refuse(call, lineage, decision.error));
  }

  private async run(command: Command, admitted: Admitted): Promise<CommandAnswer["result"]> {
    const handler = this.handlers[command.do] as (
      input: Command,
      admitted: Admitted,
    ) => CommandAnswer["result"] | Promise<CommandAnswer["result"]>;
    const result = await handler(command, admitted);
    return result.ok || admitted.auditRow === null
      ? result
      : this.ended(command, admitted, admitted.auditRow, result.error);
  }

  /**
   * Of a key's command that came to nothing no row stays among those of work that was done: it is counted like a denial, and
   * refused like one when there are many (SECURITY 40). What failed on the way may have done something.
   */
  private ended(
    command: Command,
    { lineage, actor, caller }: Admitted,
    row: number,
    error: Problem,
  ): Result<never, Problem> {
    const { audit, counters, clock } = this.parts;
    if (!lineage || problems[error.code].status >= 500) {
      audit.outcome(row, error.code, null);
      return fail(error);
    }
    audit.didNothing(row, actorText(actor), error.code, command.do, targetText(command), caller);
    const counted = deny({ reason: "nothing", key: lineage[0].id, problem: error }, clock(), counters);
    return fail(counted.error.problem);
  }

  private admit({ caller, command, requirements, at }: Turn, identity: KeyIdentity, lineage: Lineage | null): Decision {
    const { policy, scopes, backupKey, continuation } = requirements;
    const { counters, repeats } = this.parts;
    const adminOnly = policy.scope === "admin";
    const decision = admit(
      {
        lineage,
        match: lineage && matchIdentity(lineage[0], identity, at),
        by: identity.by,
        at,
        address: caller.address,
        scopes,
        // What only the administrator may is refused in any case: of the limits nothing is used.
        continuation: continuation || adminOnly,
        skipQuota: policy.dryRun === true || (lineage !== null && repeats(actorOfKey(lineage[0]), command)),
        mayWait: policy.dryRun === true || policy.waitsForApproval?.(command) === true,
        ...(backupKey === null ? {} : { backupKey }),
      },
      counters,
    );
    // Only a living key learns that the administrator may; everybody else gets the refusal they get everywhere.
    if (!adminOnly || !decision.ok) return decision;
    return deny({ reason: "scope", key: decision.value.key.id, problem: problem("admin_only") }, at, counters);
  }

  /** Every call of the administrator is written down, but for the further steps of one that was. */
  private passAdministrator(
    { caller, command, requirements: { policy }, at }: Turn,
    { name }: Pick<CallerActor, "name">,
  ): Passed {
    const actor: CallerActor = { kind: "admin", ...(name ? { name } : {}) };
    const audited = !policy.continuation && policy.audit !== "handler";
    const auditRow = audited ? this.parts.audit.admit(actor, command.do, targetText(command), caller) : null;
    const rights = { lineage: null, claims: null, secretVersion: 0, needsApproval: false, scopes: [], charged: [] };
    return { admitted: { caller, actor, at, auditRow, ...rights }, limits: [] };
  }

  private pass({ caller, command, requirements, at }: Turn, identity: KeyIdentity, admission: Admission): Passed {
    const { keys, audit } = this.parts;
    const { key, lineage, match, needsApproval } = admission;
    const rotated = afterFirstUse(key, match);
    if (rotated) keys.update({ ...key, ...rotated });
    if (!requirements.continuation) keys.noteUse(key.id, caller.address);
    const actor = actorOfKey(key);
    const audited = requirements.policy.audit === true;
    const auditRow = audited ? audit.admit(actor, command.do, targetText(command), caller) : null;
    const claims = identity.by === "session" ? identity.claims : null;
    const secretVersion = secretVersionOf(key, match);
    return {
      admitted: {
        caller,
        lineage,
        actor,
        at,
        auditRow,
        claims,
        secretVersion,
        needsApproval,
        scopes: requirements.scopes,
        charged: admission.charge.quotas,
      },
      limits: limitsOf(admission),
    };
  }

  private refuse({ caller, command, requirements, at }: Turn, lineage: Lineage | null, denial: Denial): Refusal {
    const refusal = refusalOf(denial, requirements.policy.target);
    const actor = denial.key !== null && lineage ? actorText(actorOfKey(lineage[0])) : "unknown";
    this.parts.audit.deny(actor, refusal.code, denial.reason, command.do, targetText(command), caller);
    return { problem: refusal, limits: exhaustedLimits(denial, lineage, this.parts.counters, at) };
  }
}

/** A backup outside the patterns does not exist for the key; for a name that it wants to make, the answer gives the reason. */
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
