import type { Clock } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import type { Random } from "../base/random.ts";
import type { Result } from "../base/result.ts";
import type { Sleep } from "../base/sleep.ts";
import type { UpstreamAccess } from "../upstream/backups-api.ts";
import type { Fetch } from "../upstream/exchange.ts";

/**
 * How an upload left the relay. `sent`: bytes of the file when all of it, closed by its last boundary, went to the server;
 * null when it did not, and then the server stores nothing. `problem`: what the server or the way to it said; null after
 * its 204. `lost`: that was no answer of the server's own, which may still be storing the file. All can be wrong about
 * what is stored, so look.
 */
export type UploadEnd = { sent: number | null; problem: Problem | null; lost: boolean };

/** `reserve`, `confirm` and `settle` may throw: what they ask is an object that may be reset or overloaded. */
export type UploadCall<Stored> = {
  /** Its body unread. `signal` aborts when the client is gone. */
  request: { headers: Headers; body: ReadableStream<Uint8Array> | null; signal: AbortSignal };
  /** Whether a backup may be called so. Asked before anything is reserved. */
  check(name: string): Result<unknown, Problem>;
  /** Passes the door and keeps the name free; `size` is null where only the end of the body tells it. */
  reserve(name: string, size: number | null): Promise<Result<{ access: UpstreamAccess }, Problem>>;
  /** The second pass of the door, right before the boundary that makes the server keep the file. */
  confirm(): Promise<Result<unknown, Problem>>;
  /**
   * Looks what became of it and frees the name. Called after every `reserve` that succeeded; unless it is the `last` time,
   * `upload_unsettled` means that the list does not tell yet and the name is still held.
   */
  settle(end: UploadEnd, last: boolean): Promise<Result<Stored, Problem>>;
  /** CPU time is limited, as on Cloudflare: a bare file is then piped by the runtime. */
  metered: boolean;
  fetch: Fetch;
  clock: Clock;
  sleep: Sleep;
  random: Random;
} & ({ form: "multipart" } | { form: "raw"; name: string });
