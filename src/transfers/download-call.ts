import type { Clock } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import type { ProblemCode } from "../base/problems.ts";
import type { Random } from "../base/random.ts";
import type { Result } from "../base/result.ts";
import type { Sleep } from "../base/sleep.ts";
import type { UpstreamAccess } from "../upstream/backups-api.ts";
import type { Fetch } from "../upstream/exchange.ts";

/** `exact`: healed at any byte; `segments`: fetched in ranged pieces; `off`: passed through (setting `HEALING`). */
export type Healing = "exact" | "segments" | "off";

/**
 * How a transfer ended, told once. `handed_over`: the runtime passes the bytes on by itself, so that nobody here sees the
 * end. `bytes` are what the client got when the outcome is `complete`. Of any other they are a bound: when pieces were
 * piped natively a lower one, whole pieces alone being counted; when they were pumped an upper one, for what the runtime
 * was given last may have got no further than its buffers: about two chunks (4 MiB at the most) and the sockets' own.
 */
export type TransferEnd = {
  bytes: number;
  outcome: "complete" | "client_gone" | "failed" | "handed_over";
  reason?: ProblemCode;
};

export type DownloadCall = {
  /** `signal` aborts when the client is gone. */
  request: { method: "GET" | "HEAD"; headers: Headers; signal: AbortSignal };
  /** As the instance lists it. */
  backup: { key: string; size: number };
  door: {
    /**
     * Passes the door and gives a file token. Called for the first request and again for every piece and every healing,
     * so that a revoked key ends a running transfer. `refused`: the server turned the last token down, give another.
     */
    open(refused: boolean): Promise<Result<UpstreamAccess, Problem>>;
  };
  healing: Healing;
  /**
   * CPU time is limited, as on Cloudflare: `segments` then has the runtime pipe its pieces, with hardly any code of ours.
   * Elsewhere everything is pumped as in `exact`, which costs less in all and heals a break inside a piece as well.
   */
  metered: boolean;
  fetch: Fetch;
  clock: Clock;
  sleep: Sleep;
  random: Random;
  /** Called once for every call that was answered with a response. */
  onEnd(end: TransferEnd): void;
  /** Keeps work alive that outlives the answer (the platform's `waitUntil`), so that the end is told when a client leaves. */
  background(work: Promise<void>): void;
};

/** Whether the bytes pass through code of ours, which heals them at any byte; else the runtime passes them on. */
export const isPumped = ({ healing, metered }: DownloadCall): boolean =>
  healing === "exact" || (healing === "segments" && !metered);
