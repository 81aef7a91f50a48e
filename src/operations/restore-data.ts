import type { Problem } from "../base/problem.ts";
import { type Random, randomBase62 } from "../base/random.ts";
import type { Operation } from "./operation.ts";
import type { RestoreOutcome } from "./restore-outcome.ts";

/** The backup made just before a restore, as it was then. */
export type SafetyCopy = { key: string; size: number; modified: string; directorySha256: string };

/** What a request for a restore says beside its target. */
export type RestoreInput = {
  safetyBackup: boolean;
  /** The operation it takes back. */
  undoes: string | null;
};

/** What a restore has to remember from one step to the next, and over a kill. Times are ms since the epoch. */
export type RestoreData = RestoreInput & {
  /** The name of the safety backup, chosen before it is made. */
  safetyKey: string;
  safety: SafetyCopy | null;
  /** Random part of the canary's fingerprint, chosen before it is planted. */
  nonce: string;
  canary: { kind: "record" | "log_row"; id: string } | null;
  sentAt: number | null;
  /** How far the server's clock was ahead then, in ms: its log is asked by its own time. */
  skewMs?: number;
  /** Why it goes no further, once that is known; the clean-up comes after it. */
  refusal?: Problem | null;
  /** How it ended, once that is known; the clean-up comes after it. */
  end: RestoreEnd | null;
  /** True once nothing of the canary is left on the server. */
  cleanedUp?: boolean;
};

export type RestoreEnd = { outcome: Exclude<RestoreOutcome, { state: "watching" }>; downtimeMs: number | null };

export type Restore = Operation<RestoreData>;

export const isRestore = (operation: Operation): operation is Restore =>
  operation.kind === "restore" && operation.data !== null;

export function restoreData(input: RestoreInput, { now, random }: { now: number; random: Random }): RestoreData {
  const stamp = new Date(now).toISOString().replace(/\D/g, "").slice(0, 14);
  return {
    ...input,
    safetyKey: `pre_restore_${stamp}_${randomBase62(random, 6).toLowerCase()}.zip`,
    safety: null,
    nonce: randomBase62(random, 16),
    canary: null,
    sentAt: null,
    end: null,
  };
}
