import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { ApiKey, Holder } from "./key.ts";
import { sameDigest } from "./token.ts";

/** When the caller names no grace: one day. */
export const DEFAULT_GRACE_SECONDS = 86_400;
export const MAX_GRACE_SECONDS = 7 * 86_400;

/** Which of a key's secrets somebody holds: the one in force, or the one before the last rotation. */
export type SecretMatch = "current" | "previous";

type Secrets = Pick<ApiKey, "digest" | "secretVersion" | "previous">;

/** A clock that ran ahead may have promised more: such a grace has ended. */
const LONGEST_GRACE_MS = 2 * MAX_GRACE_SECONDS * 1000;

const livingPrevious = ({ previous }: Secrets, at: number): ApiKey["previous"] =>
  previous !== null && at < previous.until && previous.until <= at + LONGEST_GRACE_MS ? previous : null;

/**
 * The key with a new secret. The old one stays valid until its successor is first used (`afterFirstUse`) or the grace
 * (0 to 7 days) ends; 0 ends it, and every session and ticket of it, at once.
 *
 * Everything else stays: limits, principal, expiry, `disabled`. Refused: an expired key (`key_expired`), and rights that
 * are held without a text (`key_has_no_text`).
 *
 * A rotation while the old secret is still valid replaces a successor that nobody has used, because the answer that held it
 * may have been lost. The old secret then stays valid, no longer than it was promised, and the version does not rise,
 * because no session of the unused successor exists.
 */
export function rotate(key: ApiKey, newDigest: string, graceSeconds: number, at: number): Result<ApiKey, Problem> {
  if (key.digest === null) return fail(problem("key_has_no_text"));
  if (key.expires !== null && at >= key.expires) return fail(problem("key_expired"));
  if (!Number.isInteger(graceSeconds) || graceSeconds < 0 || graceSeconds > MAX_GRACE_SECONDS) {
    const message = `Must be a whole number between 0 and ${MAX_GRACE_SECONDS}.`;
    const data = { graceSeconds: { code: "validation_out_of_range", message } };
    return fail(problem("invalid_request", { data }));
  }
  const until = at + graceSeconds * 1000;
  const kept = livingPrevious(key, at);
  return ok({
    ...key,
    digest: newDigest,
    secretVersion: kept ? key.secretVersion : key.secretVersion + 1,
    previous:
      graceSeconds === 0 ? null : { digest: kept?.digest ?? key.digest, until: Math.min(kept?.until ?? until, until) },
  });
}

/**
 * The key without the sessions and tickets it ever had: for one that is disabled or out of its time, so that nothing of it
 * comes alive again with the key. By two, because a version behind by one lives on in a rotation's grace.
 */
export const withoutTokens = (key: ApiKey): ApiKey => ({ ...key, secretVersion: key.secretVersion + 2 });

/** Which secret has this digest (SHA-256 hex), or null. Both are always compared. */
export function matchSecret(key: Secrets, digest: string, at: number): SecretMatch | null {
  const matches = (stored: string | null | undefined) => stored != null && sameDigest(stored, digest);
  const current = matches(key.digest);
  const previous = matches(livingPrevious(key, at)?.digest);
  return current ? "current" : previous ? "previous" : null;
}

/** As `matchSecret`, for what is held without a text: only its own holder matches, and as long as the rights live. */
export function matchHolder({ holder }: Pick<ApiKey, "holder">, claimed: Holder): SecretMatch | null {
  return holder?.kind === claimed.kind && holder.id === claimed.id ? "current" : null;
}

/** The secret's version that a session or ticket made with this secret carries. */
export const secretVersionOf = (key: Secrets, match: SecretMatch): number =>
  match === "current" ? key.secretVersion : key.secretVersion - 1;

/** As `matchSecret`, for a session or ticket: it lives exactly as long as the secret it was made with. */
export function matchSecretVersion(key: Secrets, secretVersion: number, at: number): SecretMatch | null {
  if (secretVersion === key.secretVersion) return "current";
  return livingPrevious(key, at) && secretVersion === key.secretVersion - 1 ? "previous" : null;
}

/**
 * What to write, in the same turn, after an admitted use: the successor is in use, so the old secret ends. Null: nothing. Only this one column: writing the whole record back could undo a change made meanwhile.
 */
export const afterFirstUse = (key: Secrets, match: SecretMatch): { previous: null } | null =>
  match === "current" && key.previous !== null ? { previous: null } : null;
