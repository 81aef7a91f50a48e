import type { Scope } from "../../access/scope.ts";
import type { Policy } from "../caller.ts";
import { type Command, policies } from "../commands.ts";
import type { Transfers } from "../transfers/store.ts";

/** What a command asks of its caller: its policy, applied to its input and to the transfer it may belong to. */
export type Requirements = {
  policy: Policy;
  scopes: Scope[];
  /** The backup that the command is about; null when it is about none. */
  backupKey: string | null;
  /** It continues something that was admitted and counted before. */
  continuation: boolean;
};

export const policyOf = (command: Command): Policy => policies[command.do];

/** Whether an audit row's target is the name of a backup; `download` is the row of a transfer. */
export const aboutBackup = (action: string): boolean =>
  action === "download" || (policies as { [name: string]: Policy | undefined })[action]?.target !== undefined;

/** As of now: a transfer may end or lose its name at any time. */
export function requirementsOf(command: Command, transfers: Transfers): Requirements {
  const policy = policyOf(command);
  const backupKey = backupKeyOf(command, policy, transfers);
  const continuation = policy.continuation === true || transferStart(command, transfers) !== null;
  return { policy, scopes: scopesOf(command, policy, backupKey), backupKey, continuation };
}

/** When the transfer began that this command continues, in ms since the epoch; null when it continues none. */
export function transferStart(command: Command, transfers: Transfers): number | null {
  const transfer = "transfer" in command ? command.transfer : null;
  return transfer ? transfers.startedAt(transfer) : null;
}

/** The second pass of an upload is about the name that the first one reserved. */
function backupKeyOf(command: Command, { target }: Policy, transfers: Transfers): string | null {
  if (!target) return null;
  const input = (command as { [input: string]: string | null })[target] ?? null;
  return target === "reservation" && input !== null ? (transfers.reservation(input)?.name ?? null) : input;
}

/** The scopes that this form of the command needs; the administrator's commands need none. */
function scopesOf(command: Command, { scope, also }: Policy, backupKey: string | null): Scope[] {
  if (scope === null || scope === "admin") return [];
  return [scope, ...(also?.(command, backupKey) ?? [])];
}
