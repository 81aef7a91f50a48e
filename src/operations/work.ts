import type { Clock } from "../base/clock.ts";
import type { BackupsApi, Listing, UpstreamResult } from "../upstream/backups-api.ts";
import type { Operation } from "./operation.ts";

/** What the run of an operation may use. Every effect goes through here, so that tests own time and the server. */
export type Work = {
  operation: Operation;
  api: BackupsApi;
  /** A list made after this call began, which the snapshot has seen too. */
  look: () => Promise<UpstreamResult<Listing>>;
  /** Writes a step into the row before the work goes on: after a kill the steps tell where it was. */
  step: (name: string, state: "running" | "done" | "failed", detail?: string) => void;
  clock: Clock;
  /** Milliseconds. */
  sleep: (ms: number) => Promise<void>;
};

/** True when an earlier run (before a kill or an eviction) may have sent the request already: look, never send again. */
export const wasSent = (operation: Operation): boolean => operation.steps.some((step) => step.name === "sent");
