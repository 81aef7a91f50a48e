import type { Scope } from "../../access/scope.ts";
import type { Problem } from "../../base/problem.ts";
import { ok, type Result } from "../../base/result.ts";
import { requestApproval } from "../../operations/approval.ts";
import type { Binding, Operation, OperationActor } from "../../operations/operation.ts";
import { administratorPrincipal } from "../actor.ts";
import { seenBy } from "../backups/commands.ts";
import type { Admitted } from "../caller.ts";
import type { OperationRequest, Operations } from "./engine.ts";

/** When the request's approval expires and what it is for; null when nobody has to approve it. */
export function pendingApproval(
  operations: Operations,
  { lineage }: Admitted,
  binding: Binding | null,
  now: number,
): Result<OperationRequest["approval"], Problem> {
  if (!lineage || !binding) return ok(null);
  // Of several levels the shortest time counts, as with every limit.
  const stated = lineage.flatMap(({ approvalSeconds }) => approvalSeconds ?? []);
  const seconds = stated.length > 0 ? Math.min(...stated) : undefined;
  const expires = requestApproval(operations.rows.active(), lineage[0].principal, now, seconds);
  return expires.ok ? ok({ expires: expires.value, binding }) : expires;
}

export const actorOf = ({ actor, lineage }: Admitted): OperationActor => ({
  kind: actor.kind,
  ...(actor.id ? { id: actor.id } : {}),
  ...(actor.name ? { name: actor.name } : {}),
  principal: lineage ? lineage[0].principal : administratorPrincipal(actor),
});

export const isOwn = ({ actor }: Operation, { lineage }: Admitted): boolean =>
  lineage !== null && actor.id === lineage[0].id;

/** One's own operations need no scope; those of others a scope, and a name one may see. */
export function isVisible(operation: Operation, admitted: Admitted, scope: Scope): boolean {
  if (!admitted.lineage || isOwn(operation, admitted)) return true;
  return admitted.lineage.every((level) => level.scopes.includes(scope)) && seenBy(admitted)(operation.target.key);
}
