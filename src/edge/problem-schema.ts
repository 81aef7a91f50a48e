import { z } from "@hono/zod-openapi";

/** Every error answer, as `problem.ts` writes it. */
export const ProblemSchema = z
  .object({
    status: z.number().int(),
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    requestId: z.string(),
    data: z.record(z.string(), z.object({ code: z.string(), message: z.string() })),
  })
  .meta({ id: "Problem" });
