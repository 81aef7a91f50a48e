import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { quotaDay, type RateState, secondsToNextDay, WINDOW_SECONDS } from "./counters.ts";
import type { ApiKey, Lineage } from "./key.ts";
import { admitsAddress, effectiveScopes, isDisabled, isInTime, needsApproval, visibility } from "./lineage.ts";
import type { SecretMatch } from "./rotation.ts";
import type { Scope } from "./scope.ts";

/** One request, as far as the decision depends on it. */
export type AccessRequest = {
  /** Null: there is no such key, or its lineage is broken. */
  lineage: Lineage | null;
  /** What `matchSecret` or `matchSecretVersion` said of the credential. */
  match: SecretMatch | null;
  by: "key" | "session" | "ticket" | "held";
  at: number;
  /** The caller's; null when unknown. */
  address: string | null;
  /** All of them are needed; empty: any living key may. */
  scopes: readonly Scope[];
  /** The backup it is about. A list has none: it filters with `visibility`. */
  backupKey?: string;
  /** A further step of something already admitted (a healed download, the end of an upload): nothing is counted. */
  continuation?: boolean;
  /** Nothing is done, as in a dry run: the request counts against the rate, not against the quotas of its scopes. */
  skipQuota?: boolean;
  /** Another principal's approval is not missing: the command waits for it, or does nothing. */
  mayWait?: boolean;
};

/** What was counted so far. Reading only: `admit` moves the counters. */
export type Counts = {
  /** Requests of the key and everything below it. */
  rate(key: string, limit: number, at: number): RateState;
  /** Uses of the scope by the key and everything below it on that UTC day. */
  quota(key: string, scope: Scope, day: string): number;
};

export type QuotaState = { scope: Scope; limit: number; remaining: number; resetSeconds: number };
/** One use of a scope that was counted against a level's quota. */
export type QuotaUse = { key: string; scope: Scope; day: string };

/** An admitted request, and what it is to be counted against. */
export type Admission = {
  key: ApiKey;
  lineage: Lineage;
  match: SecretMatch;
  /** One of the scopes makes its operation wait for another principal. */
  needsApproval: boolean;
  /** What is left of the tightest level after this request; null when no level has a rate. */
  rate: RateState | null;
  /** What is left of the tightest level per scope after this request. */
  quotas: QuotaState[];
  /** What is to be counted: key ids for the rate, uses for the quotas. */
  charge: { rate: string[]; quotas: QuotaUse[] };
};

/** For the audit. The caller gets `problem`, which may say less. `nothing`: admitted, but there was nothing to do. */
export type DenialReason =
  | "unknown"
  | "disabled"
  | "time"
  | "network"
  | "scope"
  | "pattern"
  | "approval"
  | "rate"
  | "nothing"
  | "quota";

export type Denial = {
  reason: DenialReason;
  /** Set when the credential was genuine and alive: only such denials may be counted against the key. */
  key: string | null;
  problem: Problem;
};

export type Decision = Result<Admission, Denial>;

function missingScope(scope: Scope, lineage: Lineage): Problem {
  const where = lineage[0].scopes.includes(scope) ? "a key above this one" : "this key";
  return problem("scope_missing", { hint: `This call needs the scope ${scope}, which ${where} does not have.` });
}

/** On `?token=` the message is PocketBase's own, which does not say why; code and hint are the relay's. */
function asTicketDenial(denial: Denial): Denial {
  const refused = problem("ticket_refused");
  const message = "Insufficient permissions to access the resource.";
  if (denial.problem.code === "unauthenticated") return { ...denial, problem: refused };
  const forbidden = denial.reason === "network" || denial.reason === "scope";
  return forbidden ? { ...denial, problem: { ...denial.problem, message } } : denial;
}

function decideByLineage(request: AccessRequest, counts: Counts): Decision {
  const { lineage, match, at, scopes, backupKey } = request;
  const unauthenticated = (reason: DenialReason) => fail({ reason, key: null, problem: problem("unauthenticated") });
  if (!lineage || !match) return unauthenticated("unknown");
  if (isDisabled(lineage)) return unauthenticated("disabled");
  if (!isInTime(lineage, at)) return unauthenticated("time");

  const [key] = lineage;
  const deny = (reason: DenialReason, why: Problem) => fail({ reason, key: key.id, problem: why });
  if (!admitsAddress(lineage, request.address)) return deny("network", problem("network_refused"));
  const available = effectiveScopes(lineage);
  const missing = scopes.find((scope) => !available.includes(scope));
  if (missing) return deny("scope", missingScope(missing, lineage));
  if (backupKey !== undefined && !visibility(lineage)(backupKey)) return deny("pattern", problem("not_found"));

  const approval = scopes.some((scope) => needsApproval(lineage, scope));
  if (approval && !request.mayWait) return deny("approval", problem("approval_required"));

  const admission: Admission = {
    key,
    lineage,
    match,
    needsApproval: approval,
    rate: null,
    quotas: [],
    charge: { rate: [], quotas: [] },
  };
  if (request.continuation) return ok(admission);

  for (const { id, ratePerMinute } of lineage) {
    if (ratePerMinute === null) continue;
    const state = counts.rate(id, ratePerMinute, at);
    if (state.remaining < 1) {
      return deny("rate", problem("rate_limited", { retryAfterSeconds: state.retryAfterSeconds }));
    }
    if (!admission.rate || state.remaining - 1 < admission.rate.remaining) {
      admission.rate = { ...state, remaining: state.remaining - 1, resetSeconds: WINDOW_SECONDS };
    }
    admission.charge.rate.push(id);
  }
  if (request.skipQuota) return ok(admission);
  const day = quotaDay(at);
  const resetSeconds = secondsToNextDay(at);
  for (const scope of new Set(scopes)) {
    let tightest: QuotaState | null = null;
    for (const { id, quotas } of lineage) {
      const limit = quotas[scope];
      if (limit === undefined) continue;
      const remaining = limit - counts.quota(id, scope, day) - 1;
      if (remaining < 0) return deny("quota", problem("quota_exhausted", { retryAfterSeconds: resetSeconds }));
      if (!tightest || remaining < tightest.remaining) tightest = { scope, limit, remaining, resetSeconds };
      admission.charge.quotas.push({ key: id, scope, day });
    }
    if (tightest) admission.quotas.push(tightest);
  }
  return ok(admission);
}

/**
 * Whether a request is admitted. Asked in the order of DESIGN "Access": known → disabled → time → network → scope →
 * pattern → approval → rate → quota, each of the key and of every key above it. Counts nothing; `admit` does. An unknown, wrong,
 * disabled, expired and not yet valid key are refused with the same 401.
 */
export function decide(request: AccessRequest, counts: Counts): Decision {
  const decision = decideByLineage(request, counts);
  return decision.ok || request.by !== "ticket" ? decision : fail(asTicketDenial(decision.error));
}
