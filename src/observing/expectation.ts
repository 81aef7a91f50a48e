import * as z from "zod";

/** How often backups are expected, and how late one may be. */
export const ExpectationSchema = z.strictObject({
  everySeconds: z.number().int().min(60).max(31_536_000),
  graceSeconds: z.number().int().min(0).max(31_536_000),
});
export type Expectation = z.infer<typeof ExpectationSchema>;
