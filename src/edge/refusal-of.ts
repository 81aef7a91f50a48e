import { HTTPException } from "hono/http-exception";
import { type Problem, problem } from "../base/problem.ts";

/** Storage that an object refuses to open: it can only throw, and the text is all that crosses the RPC. */
const STORAGE = /\b(storage_too_new|migration_failed): (.+)$/;

/**
 * The problem of a call to an object that threw. Objects answer problems and throw nothing themselves: this one could not
 * be reached, or was reset or ended while it was asked (a deploy, an overload, a machine that died).
 */
export const unanswered = (error: unknown): Problem =>
  (error instanceof Error ? refusalOf(error) : null) ?? problem("relay_restarted");

/** The problem behind an error that was thrown, where it is not a fault of ours; null where it is. */
export function refusalOf(error: Error): Problem | null {
  const storage = STORAGE.exec(error.message);
  if (storage) return problem(storage[1] as "storage_too_new" | "migration_failed", { message: storage[2]! });
  if (error instanceof HTTPException && error.status === 415) return problem("media_type_refused");
  return null;
}
