import type { Lineage } from "../access/key.ts";
import { isBelow } from "../access/lineage.ts";
import { pastOrUnknown } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Binding, Operation } from "./operation.ts";

/** Requests of one principal that may wait for approval at once. */
export const MAX_PENDING = 3;
/** How long somebody has to decide, unless the key says otherwise, and the most it may say. */
export const APPROVAL_SECONDS = 15 * 60;
export const MAX_APPROVAL_SECONDS = 24 * 3600;

/**
 * When a new request's approval expires (ms since the epoch), or `approvals_full`. `active` are the operations that
 * have not ended.
 */
export function requestApproval(
  active: readonly Operation[],
  principal: string,
  now: number,
  seconds = APPROVAL_SECONDS,
): Result<number, Problem> {
  const pending = active.filter(({ state, actor }) => state === "awaiting_approval" && actor.principal === principal);
  if (pending.length >= MAX_PENDING) return fail(problem("approvals_full"));
  return ok(now + Math.min(Math.max(seconds, 1), MAX_APPROVAL_SECONDS) * 1000);
}

/**
 * When nobody can decide any more, ms since the epoch; null when nobody is to. A request of a clock that ran ahead has
 * expired: its end would be as far off as that clock was wrong.
 */
export const expiryOf = ({ state, approval, requested }: Operation, now: number): number | null => {
  if (state !== "awaiting_approval" || approval === null) return null;
  return pastOrUnknown(requested, now) === null ? now : approval.expires;
};

export const hasExpired = (operation: Operation, now: number): boolean => now >= (expiryOf(operation, now) ?? Infinity);

/**
 * The principal, when it may approve or deny (SECURITY 3): in time, and not one's own request, whatever key or surface it
 * came by. `null` is a caller without a principal, who may request but never decide; a request without a principal can be
 * decided by any named one. `ofOnePerson` is what the keys themselves say. Scope and patterns of the decider were checked
 * when the call was admitted.
 */
export function mayDecide(
  operation: Operation,
  by: string | null,
  now: number,
  ofOnePerson: boolean,
): Result<string, Problem> {
  if (operation.state !== "awaiting_approval") return fail(problem("approval_not_pending"));
  if (hasExpired(operation, now)) return fail(problem("approval_expired"));
  if (by === null || by === operation.actor.principal || ofOnePerson) return fail(problem("approval_own"));
  return ok(by);
}

/**
 * Whether a request's key and the decider's are in one hand, whatever principal the request was made under: the same key,
 * the same principal by now, or one above the other, whose secret it once made. Null is an administrator, or a key that is
 * gone.
 */
export function areOnePerson(requester: Lineage | null, decider: Lineage | null): boolean {
  if (!requester || !decider) return false;
  const [asked, decides] = [requester[0], decider[0]];
  if (asked.id === decides.id || asked.principal === decides.principal) return true;
  return isBelow(requester, decides.id) || isBelow(decider, asked.id);
}

/** SECURITY 18: just before the request, what is there must be what was approved, to the byte of its listing. */
export function stillBound(binding: Binding, seen: Binding | null): Result<null, Problem> {
  const same =
    seen !== null &&
    seen.key === binding.key &&
    seen.size === binding.size &&
    seen.modified === binding.modified &&
    seen.directorySha256 === binding.directorySha256;
  return same ? ok(null) : fail(problem("approval_changed"));
}
