import { z } from "@hono/zod-openapi";

/** A query parameter that may be left out; the command then gets null. */
export const orNull = <S extends z.ZodType>(parameter: S) =>
  parameter.optional().transform((value): z.output<S> | null => value ?? null);

/** `?limit=&cursor=` of every list; the output is a `PageRequest`. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: orNull(z.string().max(512)),
};

/** The schema of a `Page`. */
export const pageSchema = <S extends z.ZodType>(item: S) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });
