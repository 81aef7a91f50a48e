import type { Clock } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import type { Random } from "../base/random.ts";
import type { Result } from "../base/result.ts";
import type { Sleep } from "../base/sleep.ts";
import type { UpstreamAccess } from "../upstream/backups-api.ts";
import type { Fetch } from "../upstream/exchange.ts";

/**
 * What the relay knows of an upload when it is over. `sent`: bytes of the file when all of it and the last boundary went to
 * the server; null when not, and then the server stores nothing. `problem`: how the server refused, or what broke on the
 * way; null after its 204. `lost`: the server's own answer did not arrive, and it may still be storing the file. The answer
 * can be wrong about what is stored: only the server's list decides.
 */
export type UploadEnd = { sent: number | null; problem: Problem | null; lost: boolean };

/** `reserve`, `confirm` and `settle` ask an object and may throw when it is reset or overloaded. */
export type UploadCall<Stored> = {
  /** Its body is unread. `signal` aborts when the client is gone. */
  request: { headers: Headers; body: ReadableStream<Uint8Array> | null; signal: AbortSignal };
  /** Whether a backup may have this name. Asked before anything is reserved. */
  check(name: string): Result<unknown, Problem>;
  /** Checks the caller's rights and reserves the name; `size` is null when it is known only at the end of the body. */
  reserve(name: string, size: number | null): Promise<Result<{ access: UpstreamAccess }, Problem>>;
  /** Checks the caller's rights again, right before the last boundary, which makes the server keep the file. */
  confirm(): Promise<Result<unknown, Problem>>;
  /**
   * Looks at the server's list and frees the name. Called after every `reserve` that succeeded. `upload_unsettled` means
   * that the list does not show the file yet and the name stays reserved; with `last` the name is freed in any case.
   */
  settle(end: UploadEnd, last: boolean): Promise<Result<Stored, Problem>>;
  /** CPU time is limited, as on Cloudflare: the runtime then pipes the body of a bare file. */
  metered: boolean;
  fetch: Fetch;
  clock: Clock;
  sleep: Sleep;
  random: Random;
} & ({ form: "multipart" } | { form: "raw"; name: string });

/** The file in an upload's body, after its name and first bytes were checked. */
export type IncomingFile = {
  name: string;
  /** Bytes; null when it is known only at the end of the body. */
  size: number | null;
  /** Sends the whole file; the result is its size in bytes. Fails when the body breaks or the server takes no more. */
  sendTo(server: FileSink): Promise<Result<number, Problem>>;
  /** Leaves the rest of the body to others. */
  release(): void;
};

/** Where a file's bytes go. Both methods return false when the server takes no more or the client is gone. */
export type FileSink = {
  send(bytes: Uint8Array): Promise<boolean>;
  /** Has the runtime pipe a whole stream. False also when the stream itself breaks. */
  pipe(body: ReadableStream<Uint8Array>): Promise<boolean>;
};
