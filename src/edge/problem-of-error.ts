import { HTTPException } from "hono/http-exception";
import { type Problem, problem } from "../base/problem.ts";
import { isOutOfRoom } from "../storage/room.ts";
import { Refused } from "./answer-of.ts";
import { noteOutOfRoom } from "./room.ts";

/** The problem behind an error that was thrown, where the relay's code is not at fault; null where it is. */
export function problemOfError(error: Error): Problem | null {
  if (error instanceof Refused) return error.problem;
  if (isOutOfRoom(error)) {
    noteOutOfRoom();
    return problem("storage_full");
  }
  if (error instanceof HTTPException && error.status === 415) return problem("media_type_refused");
  return null;
}

/**
 * The problem of a call to an object that threw. An object's methods return problems and throw nothing, so the object could
 * not be reached, or it was reset or ended during the call (a deploy, an overload, a machine that died).
 */
export const problemOfFailedCall = (error: unknown): Problem =>
  (error instanceof Error ? problemOfError(error) : null) ?? problem("relay_restarted");
