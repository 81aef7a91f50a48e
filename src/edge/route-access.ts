import type { Scope } from "../access/scope.ts";
import { type CommandName, policies } from "../instances/commands.ts";

/**
 * Who may call a route. A route names the command that it sends to an instance, and the policy of that command decides.
 * Only a route that needs no instance, or no credential, states its access itself. `alsoAsks` names whatever else its
 * handler sends; none of it may need a scope that the route does not state.
 */
export type RouteAccess<N extends CommandName = CommandName> =
  | { command: N; alsoAsks?: readonly N[] }
  | { access: "public" | "admin"; alsoAsks?: readonly N[] };

/** The scope a key needs; null: any living key; `admin`: the administrator only; `public`: no credential. */
export const scopeOf = (route: RouteAccess): Scope | "admin" | "public" | null =>
  "command" in route ? policies[route.command].scope : route.access;

/** How the OpenAPI document shows it. */
export const documentedAccess = (route: RouteAccess) => {
  const scope = scopeOf(route);
  return { "x-scope": scope, security: scope === "public" ? [] : [{ bearer: [] }] };
};
