/** What a key may do. Full names everywhere: a scope is never abbreviated in storage, answers or text. */
export const scopes = [
  "backups:list",
  "backups:create",
  "backups:upload",
  "backups:download",
  "backups:delete",
  "backups:restore",
  "backups:restore-unsafe",
  "operations:read",
  "operations:approve",
  "events:read",
  "webhooks:read",
  "webhooks:write",
  "keys:read",
  "keys:write",
  "audit:read",
] as const;

export type Scope = (typeof scopes)[number];
