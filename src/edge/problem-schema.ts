import { z } from "@hono/zod-openapi";

/** Every error answer, as `problem.ts` writes it. */
const ProblemSchema = z
  .object({
    status: z.number().int(),
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    requestId: z.string(),
    data: z.record(z.string(), z.object({ code: z.string(), message: z.string() })),
  })
  .meta({ id: "Problem" });

/** How the OpenAPI document shows the error answers of every route. */
export const problemAnswer = {
  default: {
    description: "Refused or failed; docs/errors.md explains each code.",
    content: { "application/json": { schema: ProblemSchema } },
  },
};
