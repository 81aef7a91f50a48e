import { type Problem, problem } from "../base/problem.ts";
import type { ProblemCode } from "../base/problems.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Command, CommandAnswer, CommandName, Output } from "../instances/commands.ts";
import { instanceOf } from "../instances/stub.ts";
import { isOutOfRoom } from "../storage/room.ts";
import { slowed } from "./brake.ts";
import type { AppContext } from "./context.ts";
import { problemOfFailedCall } from "./problem-of-error.ts";
import { type ResolvedCaller, resolveCredential } from "./resolve-caller.ts";
import { noteOutOfRoom, wasOutOfRoom } from "./room.ts";

/** How an instance refuses a made-up secret: these answers count against the client's address and the key it names. */
const REFUSED_SECRET: readonly ProblemCode[] = ["unauthenticated", "ticket_refused"];

/** Sends one command of one caller to its instance: the only way in for callers with a credential. */
export async function perform<N extends CommandName>(
  c: AppContext,
  resolved: ResolvedCaller,
  command: Command<N>,
): Promise<Result<Output<N>, Problem>> {
  // The RPC's types cannot carry that the output follows from the command; `Handlers` proves it on the other side.
  const answer = (await answerTo(c, resolved, command as Command)) as CommandAnswer<N>;
  c.set("limits", answer.limits);
  const { result } = answer;
  if (result.ok || !REFUSED_SECRET.includes(result.error.code)) {
    c.set("admitted", true);
    return result;
  }
  // A stream or download that ends because its key was revoked has guessed nothing.
  const refusal = c.get("admitted") ? null : await slowed(c, "secret", resolved.subject);
  return refusal ? fail(refusal) : result;
}

/** While there is no room to write, reads go on and everything else is refused. */
async function answerTo(
  c: AppContext,
  { instanceId, caller }: ResolvedCaller,
  command: Command,
): Promise<CommandAnswer> {
  // A stub does not outlive its object, so each try has its own.
  const read = () => instanceOf(c.env, instanceId).read(caller, command) as unknown as Promise<CommandAnswer>;
  const perform = () => instanceOf(c.env, instanceId).perform(caller, command) as unknown as Promise<CommandAnswer>;
  try {
    if (wasOutOfRoom()) return await read();
    const answer = await perform().catch((error) => {
      if (isOutOfRoom(error)) return null;
      throw error;
    });
    if (answer !== null && (answer.result.ok || answer.result.error.code !== "storage_full")) return answer;
    noteOutOfRoom();
    return await read();
  } catch (error) {
    console.error(`${command.do}: no answer, ${error instanceof Error ? error.name : "unknown error"}`);
    return { result: fail(problemOfFailedCall(error)), limits: [] };
  }
}

/**
 * The refusal of a credential that does not live, before the request's body is read (SECURITY 39); null for a living one,
 * and when there is no body. Counts against no limit: the command that follows does.
 */
export async function refusalBeforeBody(c: AppContext): Promise<Problem | null> {
  const empty = c.req.raw.body === null || c.req.header("content-length") === "0";
  return empty ? null : refusalBy(c, "caller.ask");
}

/**
 * The refusal of a credential that is revoked or expired, whatever the request asks for; null for a living one. Counts as
 * a request, because it is asked in place of the command that an invalid request never reaches.
 */
export const refusalOfCredential = (c: AppContext): Promise<Problem | null> => refusalBy(c, "keys.self");

async function refusalBy(c: AppContext, command: "caller.ask" | "keys.self"): Promise<Problem | null> {
  const resolved = await resolveCredential(c);
  if (!resolved.ok) return resolved.error;
  if (resolved.value === "admin") return null;
  const asked = await perform(c, resolved.value, { do: command });
  return asked.ok ? null : asked.error;
}

/**
 * Admits only the administrator, for calls that concern no single instance. A key is checked at its own instance first, so
 * that a revoked one gets the same answer here as everywhere.
 */
export async function admitAdmin(c: AppContext): Promise<Result<null, Problem>> {
  const resolved = await resolveCredential(c);
  if (!resolved.ok) return resolved;
  if (resolved.value === "admin") return ok(null);
  const read = await perform(c, resolved.value, { do: "instance.read" });
  return fail(read.ok ? problem("admin_only") : read.error);
}
