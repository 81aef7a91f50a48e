import type { UpstreamResult } from "./backups-api.ts";
import type { Cause } from "./server-cause.ts";

export type RestoreFailure = {
  key: string /** ms since the epoch, the server's clock. */;
  at: number;
  cause: Cause;
};

/**
 * How the outcome of a restore is seen from outside. The server answers 204 before it starts and says nowhere how it
 * ended; but a record made after the backup is gone when the backup has been put in its place, and still there when not.
 */
export interface RestoreEvidence {
  /** Makes the record: a row of `_authOrigins`, which admits nobody and notifies nobody. */
  plantCanary(nonce: string, signal?: AbortSignal): Promise<UpstreamResult<{ id: string }>>;
  /** The record an earlier run may have made with this nonce; null when there is none. */
  findCanary(nonce: string, signal?: AbortSignal): Promise<UpstreamResult<{ id: string } | null>>;
  /**
   * For servers where no record can be made: a row in the server's log, which a restore removes as well. It is visible
   * 3 s after the last logged request, so this waits up to 10 s. Null when it never shows up: logging is off, or the
   * server is busy.
   */
  plantLogRow(nonce: string, sleep: (ms: number) => Promise<void>): Promise<UpstreamResult<{ id: string } | null>>;
  /** As `canaryPresent`, for the row. */
  logRowPresent(id: string, signal?: AbortSignal): Promise<UpstreamResult<boolean>>;
  /** Believe `false` only while `health` shows a superuser: to a guest every record is missing. */
  canaryPresent(id: string, signal?: AbortSignal): Promise<UpstreamResult<boolean>>;
  /** Also ok when it is gone already. */
  removeCanary(id: string, signal?: AbortSignal): Promise<UpstreamResult<null>>;
  /**
   * Failed restores the server logged at or after `since` (ms, the server's clock), newest first, at most 50. Rows show
   * up about 3 s late, later on a busy server, never when logging is off: no row proves nothing.
   */
  restoreFailures(since: number, signal?: AbortSignal): Promise<UpstreamResult<RestoreFailure[]>>;
}
