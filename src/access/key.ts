import type { Scope } from "./scope.ts";

/** What holds rights without showing a text: a chat grant, an OIDC trust, a schedule. `id` is the holder's own. */
export type Holder = { kind: "grant" | "trust" | "schedule"; id: string };

/**
 * An API key as its instance stores it, or rights like a key's that a holder has. Times are milliseconds since the epoch.
 */
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
  /** Null for a key, which is used by showing its text. */
  holder: Holder | null;
  /** SHA-256 (hex) of the whole key text, which is kept nowhere. Null when something holds it: no text ever matches. */
  digest: string | null;
  /** Counts up with every rotation; sessions and tickets carry it and end with it. */
  secretVersion: number;
  /** The secret before the last rotation: valid until its successor is first used or `until` passes. */
  previous: { digest: string; until: number } | null;
  created: number;
  createdBy: string;
};

/** The key itself first, its root last. */
export type Lineage = [ApiKey, ...ApiKey[]];
