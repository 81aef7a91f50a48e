import * as z from "zod";

/** The shapes that several kinds of event share. Receivers parse these: fields are added, never renamed or removed. */
export const count = z.int().min(0);
export const time = z.string().meta({ format: "date-time", description: "UTC, RFC 3339 with milliseconds." });

export const actor = z
  .object({
    kind: z.enum(["key", "admin", "chat", "schedule", "upstream", "relay"]),
    id: z.string().optional(),
    name: z.string().optional(),
  })
  .describe("Who caused it. `upstream`: not the relay's doing (dashboard, cron, S3 lifecycle).");

export const backup = z
  .object({
    key: z.string().describe("The file's name on the server. Text of others: never render it as markup."),
    size: count.describe("Bytes."),
    modified: time.nullable().describe("As the server lists it; null when it gave no time."),
    madeAt: time.optional().describe("When it was made, as far as the relay knew when it told the event."),
  })
  .describe("The backup as the server lists it.");

export const operation = z.string().meta({ pattern: "^op_", description: "The relay's operation that it belongs to." });

export const stats = z
  .object({
    count: count.describe("Backups listed after this one appeared."),
    totalSize: count.describe("Their bytes together."),
    medianSize: count
      .nullable()
      .describe("Median size of up to ten backups before this one; null when it is the first."),
    sizeRatio: z.number().min(0).nullable().describe("This one's size by that median, two digits."),
    previousAgeSeconds: count.nullable().describe("How much older the backup before this one is."),
  })
  .describe("Left out for readers who may not see every backup of the instance.");

export const archive = z
  .object({
    entries: count,
    uncompressed: count.describe("Bytes."),
    directorySha256: z.string().meta({ pattern: "^[0-9a-f]{64}$" }),
    database: z.object({ bytes: count, pageSize: count, pages: count }).nullable(),
  })
  .describe("What ranged reads of the ZIP found.");

export const fault = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });

export const expect = z.object({ everySeconds: count, graceSeconds: count });

export const apiKey = z.object({ id: z.string(), name: z.string() });

export const endpoint = z
  .object({ id: z.string().meta({ pattern: "^wh_" }), host: z.string(), description: z.string().optional() })
  .describe("The webhook endpoint; of its address only the host is told.");

/** In every event's `data`. */
const common = {
  actor,
  test: z.literal(true).optional().describe("Only in events somebody asked for with the test call."),
};

export type Actor = z.infer<typeof actor>;
export type BackupFact = z.infer<typeof backup>;
export type Stats = z.infer<typeof stats>;
export type Fault = z.infer<typeof fault>;

/** One kind of event: what it means, the shape of its `data`, and an example of that. */
export type EventKind<Shape extends z.ZodRawShape = z.ZodRawShape> = {
  summary: string;
  data: z.ZodObject<Shape & typeof common>;
  example: z.infer<z.ZodObject<Shape & typeof common>>;
};

export const kind = <Shape extends z.ZodRawShape>(
  summary: string,
  shape: Shape,
  example: z.infer<z.ZodObject<Shape & typeof common>>,
): EventKind<Shape> => ({
  summary,
  data: z.object({ ...shape, ...common }) as unknown as z.ZodObject<Shape & typeof common>,
  example,
});

/** What the examples are about. */
export const sample = {
  backup: {
    key: "acme_nightly_20261122.zip",
    size: 48_212_992,
    modified: "2026-11-22T03:00:04.120Z",
    madeAt: "2026-11-22T03:00:04.120Z",
  },
  safety: { key: "pre_restore_20261122100000_h3k9.zip", size: 48_300_110, modified: "2026-11-22T10:00:02.000Z" },
  key: { kind: "key" as const, id: "Zk3v9QpLx7", name: "nightly robot" },
  approver: { kind: "key" as const, id: "Rt5Yw2Nc5H", name: "ops on call" },
  upstream: { kind: "upstream" as const },
  relay: { kind: "relay" as const },
  operation: "op_01JD9Z3W8K4Q",
  archive: {
    entries: 412,
    uncompressed: 131_072_512,
    directorySha256: "9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de",
    database: { bytes: 104_857_600, pageSize: 4096, pages: 25_600 },
  },
};
