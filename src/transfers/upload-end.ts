import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import type { UploadCall } from "./upload-call.ts";
import { broken } from "./upload-refusal.ts";
import type { Sending } from "./upload-sending.ts";
import { settle } from "./upload-settle.ts";

/** Everything is with the server but the last boundary: the door once more, the boundary, the answer, the look. */
export async function conclude<Stored>(
  call: UploadCall<Stored>,
  sending: Sending,
  sent: number,
): Promise<Result<Stored, Problem>> {
  const confirmed = await askObject(() => call.confirm());
  if (!confirmed.ok) return giveUp(call, sending, confirmed.error);
  if (!sending.open()) return giveUp(call, sending, broken());
  return settle(call, { sent, ...(await sending.finish()) });
}

/** The upload ends here, and the server stores nothing. What the server itself said counts for more than `problem`. */
export async function giveUp<Stored>(
  call: UploadCall<Stored>,
  sending: Sending,
  problem: Problem,
): Promise<Result<Stored, Problem>> {
  const said = (await sending.abandon()) ?? problem;
  await settle(call, { sent: null, problem: said, lost: false });
  return fail(said);
}

/** What was asked of an object that was reset or overloaded is refused: the last boundary is not out yet. */
export async function askObject<T>(ask: () => Promise<Result<T, Problem>>): Promise<Result<T, Problem>> {
  try {
    return await ask();
  } catch {
    return fail(problem("upload_interrupted"));
  }
}
