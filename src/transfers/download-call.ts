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
 * How a transfer ended. `handed_over`: the runtime passes the bytes on by itself, so the relay does not see the end. `bytes`
 * are what the client got when the outcome is `complete`. Otherwise they are a bound. When the runtime piped the pieces it
 * is a lower one, because only whole pieces are counted. When the relay pumped them it is an upper one: the last bytes given
 * to the runtime, about two chunks (4 MiB at most), may not have reached the client.
 */
export type TransferEnd = {
  bytes: number;
  outcome: "complete" | "client_gone" | "failed" | "handed_over";
  reason?: ProblemCode;
};

export type DownloadCall = {
  /** `signal` aborts when the client is gone. */
  request: { method: "GET" | "HEAD"; headers: Headers; signal: AbortSignal };
  /** The address names another file once there is a newer one, as that of the newest backup does. */
  moving: boolean;
  /** As the instance lists it. */
  backup: { key: string; size: number };
  /**
   * Checks the caller's rights and gives a file token. Called for the first request and again for every later piece and
   * after every break, so that a revoked key ends a running transfer. `tokenRefused`: the server rejected the last token.
   */
  authorize(tokenRefused: boolean): Promise<Result<UpstreamAccess, Problem>>;
  /**
   * Passes the door again without asking for a token (SECURITY 9): the refusal that ends the transfer, or null, also when
   * nobody can tell just now.
   */
  refusal(): Promise<Problem | null>;
  healing: Healing;
  /**
   * CPU time is limited, as on Cloudflare: with `segments` the runtime then pipes the pieces, and hardly any code of ours
   * runs. Elsewhere they are pumped as in `exact`, which takes less time in all and heals a break inside a piece as well.
   */
  metered: boolean;
  fetch: Fetch;
  clock: Clock;
  sleep: Sleep;
  random: Random;
  /** Called once for every call that was answered with a response. */
  onEnd(end: TransferEnd): void;
  /** Keeps work alive that outlives the answer (the platform's `waitUntil`), so that `onEnd` is called when a client leaves. */
  background(work: Promise<void>): void;
};

/** Whether the relay itself passes the bytes on and heals them at any byte; otherwise the runtime does. */
export const isPumped = ({ healing, metered }: DownloadCall): boolean =>
  healing === "exact" || (healing === "segments" && !metered);
