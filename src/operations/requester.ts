import type { Lineage } from "../access/key.ts";
import { effectiveScopes, isDisabled, isInTime, needsApproval, visibility } from "../access/lineage.ts";
import { type Problem, problem } from "../base/problem.ts";
import type { Operation } from "./operation.ts";

/**
 * Why the key that asked for this may not have it any more, or null (SECURITY 37): it and every key above it as they are
 * now. `lineage` is null when one of them is gone. An administrator's request stays.
 */
export function requesterRefusal(
  { actor, target, approval, admitted }: Operation,
  lineage: Lineage | null,
  now: number,
): Problem | null {
  if (actor.id === undefined) return null;
  if (!lineage || isDisabled(lineage) || !isInTime(lineage, now)) return problem("requester_revoked");
  const scopes = admitted?.scopes ?? [];
  const available = effectiveScopes(lineage);
  const allowed = scopes.every((scope) => available.includes(scope)) && visibility(lineage)(target.key);
  const unapproved = approval === null && scopes.some((scope) => needsApproval(lineage, scope));
  return allowed && !unapproved ? null : problem("requester_revoked", { hint: NARROWED });
}

const NARROWED =
  "The rights of the key that asked, or of one above it, were narrowed meanwhile; ask again with a key that may do this.";
