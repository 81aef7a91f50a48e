import type { MadeAt } from "../archive/made.ts";
import type { MadeBy } from "../archive/preflight.ts";
import type { RangeReader } from "../archive/ranges.ts";
import type { Clock } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import type { BackupsApi, ListedBackup, Listing, UpstreamResult } from "../upstream/backups-api.ts";
import type { CronLog } from "../upstream/cron-log.ts";
import type { OtherRelays } from "../upstream/other-relays.ts";
import type { RestoreEvidence } from "../upstream/restore-evidence.ts";
import type { Binding, Operation } from "./operation.ts";
import type { Preview } from "./preview.ts";

/** What the run of an operation may use. Every effect goes through here, so that tests own time and the server. */
export type Work<Data extends object | null = null> = {
  operation: Operation<Data>;
  api: BackupsApi & RestoreEvidence & CronLog & OtherRelays;
  /** A list made after this call began, which the listing cache has seen too. */
  look: () => Promise<UpstreamResult<Listing>>;
  /** Reads a backup's bytes, for looking into the archive. */
  reader: (backup: { key: string; size: number }) => RangeReader;
  /**
   * Why a verb is refused for a key by what others hold of it, or null. Asked in the turn that writes the request's step,
   * so that nothing comes between.
   */
  may: (verb: "create" | "delete" | "restore", key: string) => Problem | null;
  /** Writes a step into the row before the work goes on: after a kill the steps show where it was. */
  step: (name: string, state: "running" | "done" | "failed", detail?: string) => void;
  /** Writes what the kind of operation has to remember. */
  keep: (data: Partial<Data>) => void;
  /** Writes what the preflight saw of the target, and what is lost by it. */
  bind: (binding: Binding, preview: Preview) => void;
  /** Writes the event that the server took the request at once; that of the outcome follows. */
  accepted: () => void;
  /** Records whose backup of this key will appear, before the server is asked to make it. */
  expect: (key: string) => void;
  /** Who made a backup, as far as the ledger knows. */
  madeBy: (backup: ListedBackup) => MadeBy;
  /** When it was made, the newest time in its archive being known from a look just now; null when it is not. */
  madeAt: (backup: ListedBackup, newestEntry: number | null) => MadeAt;
  /** What is known of the credential the relay uses. */
  credential: CredentialFacts;
  /**
   * A connection with the previous credential; `refused` when there is none or the server does not accept it, `unseen` when
   * the server was away.
   */
  tryPreviousCredential: () => Promise<Reach | "refused" | "unseen">;
  /** Until the run's end the server is not polled: its log shows no new row while other requests come in. */
  pausePolling: () => void;
  clock: Clock;
  /** Milliseconds. */
  sleep: (ms: number) => Promise<void>;
};

/** How a run reaches the server. */
export type Reach = Pick<Work, "api" | "look" | "reader">;

type CredentialFacts = {
  /** Since when it is what it is, ms since the epoch; null when unknown. */
  since: number | null;
  /** True when its token would not have expired by itself during a restore, so that its refusal is evidence. */
  lasts: boolean;
};

/** True when an earlier run (before a kill or an eviction) may have sent the request already: look, never send again. */
export const wasSent = (operation: Operation): boolean => operation.steps.some((step) => step.name === "sent");

/** Thrown by `step` and `keep` when the operation was canceled meanwhile: the run ends there, and sends nothing more. */
export const CANCELED = Symbol("the operation was canceled");
