import type { ApiKey } from "./key.ts";
import { type Scope, scopes } from "./scope.ts";

/** A ready-made set of rights (SECURITY 4). Quotas are per UTC day; a caller may set other quotas and another rate. */
type Preset = { scopes: readonly Scope[]; quotas: ApiKey["quotas"]; ratePerMinute: number };

const DAILY: ApiKey["quotas"] = {
  "backups:create": 24,
  "backups:upload": 10,
  "backups:delete": 5,
  "backups:restore": 1,
};

const withLimits = (ratePerMinute: number, granted: readonly Scope[]): Preset => ({
  scopes: granted,
  ratePerMinute,
  quotas: Object.fromEntries(Object.entries(DAILY).filter(([scope]) => granted.includes(scope as Scope))),
});

export const presetNames = ["robot", "fetcher", "auditor", "operator", "owner"] as const;
export type PresetName = (typeof presetNames)[number];

export const presets: Record<PresetName, Preset> = {
  /** Makes backups on a schedule; cannot read, remove or replace one. */
  robot: withLimits(60, ["backups:list", "backups:create"]),
  /** Copies backups elsewhere. Whoever reads a backup reads the server's secrets. */
  fetcher: withLimits(120, ["backups:list", "backups:download"]),
  /** Sees what happened, never what is in a backup. */
  auditor: withLimits(120, ["backups:list", "events:read", "operations:read", "audit:read"]),
  /** Runs backups and restores by hand. */
  operator: withLimits(300, [
    ...scopes.filter((scope) => scope.startsWith("backups:")),
    "events:read",
    "operations:read",
  ]),
  /** Everything of the instance. */
  owner: withLimits(600, scopes),
};
