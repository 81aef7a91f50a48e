import type { Scope } from "./scope.ts";

/** An API key as its instance stores it. Times are milliseconds since the epoch. */
export type ApiKey = {
  /** 10 base62 characters, unique in its instance; printed in logs and audit rows. */
  id: string;
  /** The key that minted it; null when an administrator did. Lineages are at most three deep. */
  parent: string | null;
  /** Who answers for it: the root of its lineage, or the name an administrator gave. */
  principal: string;
  name: string;
  preset: string | null;
  scopes: Scope[];
  /** Globs over backup keys; any match admits. `["*"]` is every backup, current and future. */
  patterns: string[];
  /** CIDR blocks the caller's address must be in; empty means anywhere. */
  networks: string[];
  notBefore: number | null;
  expires: number | null;
  ratePerMinute: number | null;
  /** Uses per UTC day and scope. */
  quotas: Partial<Record<Scope, number>>;
  /** Scopes whose use makes an operation wait for another principal. */
  approval: Scope[];
  /** How long another principal has to decide, in seconds; the default when left out. */
  approvalSeconds?: number | null;
  disabled: boolean;
  note: string;
  /** SHA-256 (hex) of the whole key text. The key itself is kept nowhere. */
  digest: string;
  /** Counts up with every rotation; sessions and tickets carry it and end with it. */
  secretVersion: number;
  /** The secret before the last rotation: valid until its successor is first used or `until` passes. */
  previous: { digest: string; until: number } | null;
  created: number;
  createdBy: string;
};

/** The key itself first, its root last. */
export type Lineage = [ApiKey, ...ApiKey[]];
