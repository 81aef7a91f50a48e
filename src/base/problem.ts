import type { ProblemCode } from "./problems.ts";

/** One field of a request that was refused, in PocketBase's shape. */
export type FieldProblem = { code: string; message: string; params?: Record<string, unknown> };

/**
 * Why a request was refused or failed: data, never an exception. The code's status, message and hint stand in
 * `problems.ts`; a problem may carry a more exact message or hint of its own. Nothing in it may be secret.
 */
export type Problem = {
  code: ProblemCode;
  message?: string;
  hint?: string;
  data?: Record<string, FieldProblem>;
  retryAfterSeconds?: number;
  /** Where to look instead; becomes the Location header. */
  location?: string;
};

export const problem = (code: ProblemCode, details: Omit<Problem, "code"> = {}): Problem => ({ code, ...details });
