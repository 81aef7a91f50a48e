import type { Problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";

/** Ends a request whose handler has no other way to answer a problem: `requestContext` answers it. */
export class Refused extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code);
    this.problem = problem;
  }
}

/** What an object answered. Its refusal ends the request. */
export async function answerOf<T>(call: PromiseLike<Result<T, Problem>>): Promise<T> {
  const answer = await call;
  if (!answer.ok) throw new Refused(answer.error);
  return answer.value;
}
