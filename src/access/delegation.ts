import { type FieldProblem, type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { ApiKey, Lineage } from "./key.ts";
import { effectiveExpiry, effectiveScopes, isBelow, MAX_DEPTH } from "./lineage.ts";
import type { Scope } from "./scope.ts";

/**
 * Who may make and change which keys (SECURITY 1, 2). Only scopes and expiry are compared: patterns, networks, rate,
 * quotas and approvals of a child can be anything, because every request is checked on every level anyway.
 */
export type AskedRights = { scopes?: readonly Scope[]; expires?: number | null };

/** Who makes or changes a key. The administrator acts with `ADMIN_TOKEN` and has no lineage. */
export type Manager = Lineage | "administrator";

function within(above: readonly ApiKey[], asked: AskedRights): Result<null, Problem> {
  if (above.length === 0) return ok(null);
  const ancestors = above as [ApiKey, ...ApiKey[]];
  const data: Record<string, FieldProblem> = {};
  const available = effectiveScopes(ancestors);
  const missing = asked.scopes?.filter((scope) => !available.includes(scope)) ?? [];
  if (missing.length > 0) {
    const message = `A key above it does not have ${missing.join(", ")}.`;
    data.scopes = { code: "validation_exceeds_lineage", message };
  }
  const end = effectiveExpiry(ancestors);
  if (end !== null && asked.expires != null && asked.expires > end) {
    const message = `A key above it expires at ${new Date(end).toISOString()}.`;
    data.expires = { code: "validation_exceeds_lineage", message };
  }
  return Object.keys(data).length > 0 ? fail(problem("rights_exceeded", { data })) : ok(null);
}

/**
 * Whether the manager may mint a child with these rights. Answers the expiry to store: the asked one, or the earliest of
 * the keys above when none is asked (a child never outlives them).
 */
export function mayMint(
  manager: Manager,
  asked: { scopes: readonly Scope[]; expires: number | null },
  at: number,
): Result<{ expires: number | null }, Problem> {
  const above = manager === "administrator" ? [] : manager;
  if (above.length >= MAX_DEPTH) return fail(problem("lineage_too_deep"));
  if (asked.expires !== null && asked.expires <= at) {
    const expires = { code: "validation_invalid_value", message: "Must lie in the future." };
    return fail(problem("invalid_request", { data: { expires } }));
  }
  const allowed = within(above, asked);
  if (!allowed.ok) return allowed;
  return ok({ expires: asked.expires ?? (manager === "administrator" ? null : effectiveExpiry(manager)) });
}

/**
 * Whether the manager may delete or look at the target: the administrator any, a key its own descendants only.
 * Itself is `own_key` (403), any other is not there (404).
 */
export function mayManage(manager: Manager, target: Lineage): Result<null, Problem> {
  if (manager === "administrator" || isBelow(target, manager[0].id)) return ok(null);
  return fail(problem(manager[0].id === target[0].id ? "own_key" : "not_found"));
}

/**
 * Whether the manager may PATCH the target: as `mayActFor`, and what is asked stays within every key above the target,
 * for the administrator too, so that what a key shows is what it can do. Fields left out are not looked at.
 */
export function mayChange(manager: Manager, target: Lineage, asked: AskedRights): Result<null, Problem> {
  const allowed = mayActFor(manager, target);
  return allowed.ok ? within(target.slice(1), asked) : allowed;
}

/**
 * Whether the manager may PATCH or rotate the target at all: as `mayManage`, and for a key only one of its own principal.
 * Whoever got the secret of another principal's key could agree to their own requests with it (SECURITY 41). Deleting is
 * `mayManage` alone: it gives nobody anything.
 */
export function mayActFor(manager: Manager, target: Lineage): Result<null, Problem> {
  const allowed = mayManage(manager, target);
  if (!allowed.ok || manager === "administrator" || manager[0].principal === target[0].principal) return allowed;
  return fail(problem("other_principal"));
}
