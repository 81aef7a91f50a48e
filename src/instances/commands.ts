import type { Problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";
import { type AuditCommands, auditPolicies } from "./audit/commands.ts";
import { type BackupCommands, backupPolicies } from "./backups/commands.ts";
import type { Policies } from "./caller.ts";
import type { LimitState } from "./door/limits.ts";
import { type KeyCommands, keyPolicies } from "./keys/commands.ts";
import { type SessionCommands, sessionPolicies } from "./keys/sessions.ts";
import { type EventCommands, eventPolicies } from "./ledger/commands.ts";
import { type OperationCommands, operationPolicies } from "./operations/commands.ts";
import { type InstanceCommands, instancePolicies } from "./server/commands.ts";
import { type TransferCommands, transferPolicies } from "./transfers/commands.ts";
import { type WebhookCommands, webhookPolicies } from "./webhooks/commands.ts";

/** Everything that can be asked of an instance, by name: the sum of the folders below. */
export type Commands = AuditCommands &
  BackupCommands &
  EventCommands &
  InstanceCommands &
  KeyCommands &
  OperationCommands &
  SessionCommands &
  TransferCommands &
  WebhookCommands;

export type CommandName = keyof Commands;
export type Command<N extends CommandName = CommandName> = { [K in N]: { do: K } & Commands[K]["input"] }[N];
export type Output<N extends CommandName> = Commands[N]["output"];

/** `limits` holds what the request was counted against, or ran into. */
export type CommandAnswer<N extends CommandName = CommandName> = {
  result: Result<Output<N>, Problem>;
  limits: LimitState[];
};

export const policies: Policies<Commands> = {
  ...auditPolicies,
  ...backupPolicies,
  ...eventPolicies,
  ...instancePolicies,
  ...keyPolicies,
  ...operationPolicies,
  ...sessionPolicies,
  ...transferPolicies,
  ...webhookPolicies,
};

/** Whether a command keeps nothing: a read that takes nothing out writes no audit row of its own. */
export const onlyReads = ({ do: name }: Command): boolean => policies[name].audit === false;
