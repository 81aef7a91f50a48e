import type { ParsedCredential } from "../access/credential.ts";
import type { Problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";
import type { Command, CommandName, Commands, Output } from "../instances/commands.ts";
import { perform } from "./ask.ts";
import type { AppContext } from "./context.ts";
import { type ResolvedCaller, resolveCaller } from "./resolve-caller.ts";

/** What a route may send to the instance of its caller: the commands that its row names, and no other. */
export type InstanceClient<N extends CommandName> = {
  /** Who asks which instance; resolved once per request. */
  caller: () => Promise<Result<ResolvedCaller, Problem>>;
  /** Resolves the caller and sends the command. Every call is checked anew by the instance. */
  ask: <M extends N>(command: M, input: Commands[M]["input"]) => Promise<Result<Output<M>, Problem>>;
  /** The same for a credential that is not in the request's header; null is refused like a wrong one. */
  withCredential: (credential: ParsedCredential | null) => InstanceClient<N>;
};

export function instanceClient<N extends CommandName>(
  c: AppContext,
  resolve: () => Promise<Result<ResolvedCaller, Problem>> = () => resolveCaller(c),
): InstanceClient<N> {
  let resolved: Promise<Result<ResolvedCaller, Problem>> | null = null;
  const caller = () => {
    resolved ??= resolve();
    return resolved;
  };
  return {
    caller,
    ask: async <M extends N>(command: M, input: Commands[M]["input"]) => {
      const from = await caller();
      return from.ok ? perform(c, from.value, { ...input, do: command } as unknown as Command<M>) : from;
    },
    withCredential: (credential) => instanceClient(c, () => resolveCaller(c, { credential })),
  };
}
