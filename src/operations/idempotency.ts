import { isWithin } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { isFinal, type Operation } from "./operation.ts";

/** A key is remembered this long after its first use. */
export const REMEMBERED_MS = 24 * 3_600_000;

/** What is kept of the first request with a key, per API key. The answer is that of an operation: it holds no secret. */
export type Remembered = {
  /** SHA-256 of method, path and body of the first request. */
  fingerprint: string;
  operation: string;
  answer: { status: number; body: string };
  at: number;
};

type Idempotency =
  | { do: "first" }
  | { do: "replay"; answer: Remembered["answer"] }
  | { do: "refuse"; problem: Problem };

/**
 * Reads the header (draft-ietf-httpapi-idempotency-key-header-07 §2.1). It should be a quoted string; a bare one, as
 * most clients send it, is taken as well. 1 to 255 visible ASCII characters.
 */
export function readIdempotencyKey(header: string): Result<string, Problem> {
  const text = header.trim();
  const quoted = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text);
  const key = quoted ? quoted[1]!.replace(/\\(.)/g, "$1") : text;
  const bare = quoted !== null || /^[\x21\x23-\x7e]+$/.test(key);
  return bare && key.length > 0 && key.length <= 255 ? ok(key) : fail(problem("idempotency_key_invalid"));
}

/**
 * What to do with a request that carries a key (§2.6, §2.7). `operation` is the remembered one as it is now, null when
 * its row is gone. The caller was admitted already (SECURITY 10).
 */
export function idempotency(
  remembered: Remembered | null,
  fingerprint: string,
  operation: Operation | null,
  now: number,
): Idempotency {
  if (!remembered || !isWithin(remembered.at, REMEMBERED_MS, now)) return { do: "first" };
  if (remembered.fingerprint !== fingerprint) {
    return { do: "refuse", problem: problem("idempotency_mismatch") };
  }
  if (operation && !isFinal(operation)) {
    const location = `/v1/operations/${operation.id}`;
    return { do: "refuse", problem: problem("idempotency_running", { retryAfterSeconds: 5, location }) };
  }
  return { do: "replay", answer: remembered.answer };
}
