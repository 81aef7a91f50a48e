import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { quotaDay, type RateState, secondsToNextDay, WINDOW_SECONDS } from "./counters.ts";
import type { ApiKey, Lineage } from "./key.ts";
import { admitsAddress, effectiveScopes, isDisabled, isInTime, needsApproval, visibility } from "./lineage.ts";
import type { SecretMatch } from "./rotation.ts";
import type { Scope } from "./scope.ts";

/** One request at the door. */
export type Attempt = {
  /** Null: there is no such key, or its lineage is broken. */
  lineage: Lineage | null;
  /** What `matchSecret` or `matchGeneration` said of the credential. */
  match: SecretMatch | null;
  by: "key" | "session" | "ticket";
  at: number;
  /** The caller's; null when unknown. */
  address: string | null;
  /** All of them are needed; empty: any living key may. */
  scopes: readonly Scope[];
  /** The backup it is about. A list has none: it filters with `visibility`. */
  backupKey?: string;
  /** A further look at something already admitted (a heal, the second pass of an upload): rate and quota rest. */
  again?: boolean;
  /** A mere look, as a dry run: the rate counts, the quotas of its scopes rest. */
  free?: boolean;
};

/** What was counted so far. Reading only: `admit` moves the counters. */
export type Counts = {
  /** Requests of the key and everything below it. */
  rate(key: string, limit: number, at: number): RateState;
  /** Uses of the scope by the key and everything below it on that UTC day. */
  quota(key: string, scope: Scope, day: string): number;
};

export type QuotaState = { scope: Scope; limit: number; remaining: number; resetSeconds: number };
export type QuotaUse = { key: string; scope: Scope; day: string };

export type Grant = {
  key: ApiKey;
  lineage: Lineage;
  match: SecretMatch;
  /** One of the scopes makes its operation wait for another principal. */
  needsApproval: boolean;
  /** The tightest level after this request; null when no level has a rate. */
  rate: RateState | null;
  /** The tightest level per scope after this request. */
  quotas: QuotaState[];
  /** What is to be counted: key ids for the rate, uses for the quotas. */
  charge: { rate: string[]; quotas: QuotaUse[] };
};

/** For audit and for callers that filter; the answer is `problem` and tells less. */
export type DenialReason = "unknown" | "disabled" | "time" | "network" | "scope" | "pattern" | "rate" | "quota";

export type Denial = {
  reason: DenialReason;
  /** Set when the credential was genuine and alive: only such denials may be counted against the key. */
  key: string | null;
  problem: Problem;
};

function missingScope(scope: Scope, lineage: Lineage): Problem {
  const where = lineage[0].scopes.includes(scope) ? "a key above this one" : "this key";
  return problem("scope_missing", { hint: `This call needs the scope ${scope}, which ${where} does not have.` });
}

/** On `?token=` every refusal reads like PocketBase's own, which does not say why; the code and hint stay ours. */
function forTicket(denial: Denial): Denial {
  const refused = problem("ticket_refused");
  const message = "Insufficient permissions to access the resource.";
  if (denial.problem.code === "unauthenticated") return { ...denial, problem: refused };
  const forbidden = denial.reason === "network" || denial.reason === "scope";
  return forbidden ? { ...denial, problem: { ...denial.problem, message } } : denial;
}

function judge(attempt: Attempt, counts: Counts): Result<Grant, Denial> {
  const { lineage, match, at, scopes, backupKey } = attempt;
  const stranger = (reason: DenialReason) => fail({ reason, key: null, problem: problem("unauthenticated") });
  if (!lineage || !match) return stranger("unknown");
  if (isDisabled(lineage)) return stranger("disabled");
  if (!isInTime(lineage, at)) return stranger("time");

  const [key] = lineage;
  const deny = (reason: DenialReason, why: Problem) => fail({ reason, key: key.id, problem: why });
  if (!admitsAddress(lineage, attempt.address)) return deny("network", problem("network_refused"));
  const held = effectiveScopes(lineage);
  const missing = scopes.find((scope) => !held.includes(scope));
  if (missing) return deny("scope", missingScope(missing, lineage));
  if (backupKey !== undefined && !visibility(lineage)(backupKey)) return deny("pattern", problem("not_found"));

  const grant: Grant = {
    key,
    lineage,
    match,
    needsApproval: scopes.some((scope) => needsApproval(lineage, scope)),
    rate: null,
    quotas: [],
    charge: { rate: [], quotas: [] },
  };
  if (attempt.again) return ok(grant);

  for (const { id, ratePerMinute } of lineage) {
    if (ratePerMinute === null) continue;
    const state = counts.rate(id, ratePerMinute, at);
    if (state.remaining < 1) {
      return deny("rate", problem("rate_limited", { retryAfterSeconds: state.retryAfterSeconds }));
    }
    if (!grant.rate || state.remaining - 1 < grant.rate.remaining) {
      grant.rate = { ...state, remaining: state.remaining - 1, resetSeconds: WINDOW_SECONDS };
    }
    grant.charge.rate.push(id);
  }
  if (attempt.free) return ok(grant);
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
      grant.charge.quotas.push({ key: id, scope, day });
    }
    if (tightest) grant.quotas.push(tightest);
  }
  return ok(grant);
}

/**
 * May this request pass? Asked in the order of DESIGN "Access": known → disabled → time → network → scope → pattern →
 * rate → quota, each of the key and of every key above it. Moves nothing; `admit` does. An unknown, wrong, disabled,
 * expired and not yet valid key are told the same 401.
 */
export function verdict(attempt: Attempt, counts: Counts): Result<Grant, Denial> {
  const judged = judge(attempt, counts);
  return judged.ok || attempt.by !== "ticket" ? judged : fail(forTicket(judged.error));
}
