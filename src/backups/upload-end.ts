import type { Problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import type { UploadCall } from "./upload-call.ts";
import { broken } from "./upload-refusal.ts";
import type { Sending } from "./upload-sending.ts";

/** Everything is with the server but the last boundary: the door once more, the boundary, the answer, the look. */
export async function conclude<Stored>(
  call: UploadCall<Stored>,
  sending: Sending,
  sent: number,
): Promise<Result<Stored, Problem>> {
  const confirmed = await call.confirm();
  if (!confirmed.ok) return giveUp(call, sending, confirmed.error);
  if (!sending.open()) return giveUp(call, sending, broken());
  return call.settle({ sent, problem: await sending.finish() });
}

/** The upload ends here, and the server stores nothing. What the server itself said counts for more than `problem`. */
export async function giveUp<Stored>(
  call: UploadCall<Stored>,
  sending: Sending,
  problem: Problem,
): Promise<Result<Stored, Problem>> {
  const said = (await sending.abandon()) ?? problem;
  await call.settle({ sent: null, problem: said });
  return fail(said);
}
