import * as z from "zod";

/** One audit row. A row of a denial stands for `times` denials of one kind in one minute. */
export const AuditEntrySchema = z
  .object({
    id: z.string(),
    at: z.string(),
    actor: z.string(),
    action: z.string(),
    target: z.string(),
    verdict: z.enum(["allowed", "denied"]),
    code: z.string().nullable(),
    detail: z.string().nullable(),
    times: z.number().describe("Denials of one kind in one minute are one row."),
    address: z.string().nullable(),
    userAgent: z.string(),
    requestId: z.string(),
  })
  .meta({ id: "AuditEntry" });
export type AuditEntry = z.infer<typeof AuditEntrySchema>;
