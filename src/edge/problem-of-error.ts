import { HTTPException } from "hono/http-exception";
import { type Problem, problem } from "../base/problem.ts";

/**
 * The text of an object's constructor that cannot open its storage. A constructor can only throw, and of an error nothing
 * but its text crosses the RPC.
 */
const STORAGE = /\b(storage_too_new|migration_failed): (.+)$/;

/** The problem behind an error that was thrown, where the relay's code is not at fault; null where it is. */
export function problemOfError(error: Error): Problem | null {
  const storage = STORAGE.exec(error.message);
  if (storage) return problem(storage[1] as "storage_too_new" | "migration_failed", { message: storage[2]! });
  if (error instanceof HTTPException && error.status === 415) return problem("media_type_refused");
  return null;
}

/**
 * The problem of a call to an object that threw. An object's methods return problems and throw nothing, so the object could
 * not be reached, or it was reset or ended during the call (a deploy, an overload, a machine that died).
 */
export const problemOfFailedCall = (error: unknown): Problem =>
  (error instanceof Error ? problemOfError(error) : null) ?? problem("relay_restarted");
