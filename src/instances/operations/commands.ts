import { decidingPrincipal } from "../../access/lineage.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import { problem } from "../../base/problem.ts";
import { fail, ok } from "../../base/result.ts";
import { areOnePerson, mayDecide } from "../../operations/approval.ts";
import type { Operation } from "../../operations/operation.ts";
import { administratorPrincipal } from "../actor.ts";
import type { Admitted, Handlers, Policies } from "../caller.ts";
import { actorOf, isOwn, isVisible } from "./requester.ts";
import { type RequestCommands, type RequestDeps, requestHandlers, requestPolicies } from "./requests.ts";
import type { OperationFilter } from "./store.ts";

export type OperationCommands = RequestCommands & {
  "operations.approve": { input: { id: string }; output: Operation };
  "operations.deny": { input: { id: string }; output: Operation };
  "operations.cancel": { input: { id: string }; output: Operation };
  "operations.list": { input: PageRequest & OperationFilter; output: Page<Operation> };
  "operations.read": { input: { id: string; waitSeconds: number }; output: Operation };
};

export const operationPolicies: Policies<OperationCommands> = {
  ...requestPolicies,
  "operations.approve": { scope: "operations:approve", audit: true },
  "operations.deny": { scope: "operations:approve", audit: true },
  "operations.cancel": { scope: null, audit: true },
  "operations.list": { scope: "operations:read", audit: false },
  "operations.read": { scope: null, audit: false },
};

/** What becomes an operation (`requests.ts`), and what can be done with one. */
export function operationHandlers(deps: RequestDeps): Handlers<OperationCommands> {
  const { operations, keys, clock } = deps;

  const withPlace = (operation: Operation): Operation => ({ ...operation, ahead: operations.rows.place(operation) });

  const decide = async (id: string, type: "granted" | "denied", admitted: Admitted) => {
    const operation = operations.rows.read(id);
    if (!operation || !isVisible(operation, admitted, "operations:approve"))
      return fail(problem("operation_not_found"));
    const { lineage } = admitted;
    const principal = lineage ? decidingPrincipal(lineage[0]) : administratorPrincipal(admitted.actor);
    const requester = operation.actor.id ? keys.lineage(operation.actor.id) : null;
    const by = mayDecide(operation, principal, clock(), areOnePerson(requester, lineage));
    if (!by.ok) return by;
    return operations.apply(id, { type, by: by.value, at: clock() }, actorOf(admitted));
  };

  return {
    ...requestHandlers(deps),

    "operations.approve": ({ id }, admitted) => decide(id, "granted", admitted),
    "operations.deny": ({ id }, admitted) => decide(id, "denied", admitted),

    "operations.cancel": ({ id }, admitted) => {
      const operation = operations.rows.read(id);
      const own = operation && (!admitted.lineage || isOwn(operation, admitted));
      return own
        ? operations.apply(id, { type: "canceled", at: clock(), error: null }, actorOf(admitted))
        : fail(problem("operation_not_found"));
    },

    "operations.list": ({ do: _do, ...request }, admitted) => {
      const { items, nextCursor } = operations.rows.list(request, (each) =>
        isVisible(each, admitted, "operations:read"),
      );
      return ok({ items: items.map(withPlace), nextCursor });
    },

    "operations.read": async ({ id, waitSeconds }, admitted) => {
      const operation = operations.rows.read(id);
      if (!operation || !isVisible(operation, admitted, "operations:read")) return fail(problem("operation_not_found"));
      return ok(withPlace((await operations.rows.wait(id, waitSeconds)) ?? operation));
    },
  };
}
