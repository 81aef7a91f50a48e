import type { z } from "@hono/zod-openapi";
import type { FieldProblem } from "../base/problem.ts";
import { problem } from "../base/problem.ts";
import { refusalOfCredential } from "../edge/ask.ts";
import { type AppContext, refuse } from "../edge/context.ts";

type Validation = { success: boolean; error?: z.ZodError; target: string };
type Issue = z.core.$ZodIssue;

/** Answers invalid input with one entry in `data` per wrong field: its path, joined by dots, with a code and a message. */
export function refuseInvalid(result: Validation, c: AppContext): Response | undefined {
  if (result.success || !result.error) return undefined;
  const data: Record<string, FieldProblem> = {};
  const collect = (issues: readonly Issue[], parent: readonly PropertyKey[]) => {
    for (const issue of issues) {
      const path = [...parent, ...issue.path];
      if (issue.code === "unrecognized_keys") {
        for (const key of issue.keys)
          data[[...path, key].join(".")] = { code: "unknown_field", message: "There is no such field here." };
      } else if (issue.code === "invalid_union" && issue.errors.length > 0) {
        collect(closestMatch(issue.errors), path);
      } else {
        const code = issue.code.replace(/^invalid_/, "");
        data[path.join(".") || result.target] = { code: `validation_invalid_${code}`, message: issue.message };
      }
    }
  };
  collect(result.error.issues, []);
  return refuse(c, problem("invalid_request", { data }));
}

/** The same for routes that need a credential: a revoked or expired one is refused before its input is judged. */
export async function refuseInvalidOfCaller(result: Validation, c: AppContext): Promise<Response | undefined> {
  if (result.success) return undefined;
  const refusal = await refusalOfCredential(c);
  return refusal ? refuse(c, refusal) : refuseInvalid(result, c);
}

/** Of the alternatives of a union, the one with the fewest issues: most likely the one that the caller meant. */
const closestMatch = (alternatives: readonly (readonly Issue[])[]): readonly Issue[] =>
  [...alternatives].sort((one, other) => one.length - other.length)[0]!;
