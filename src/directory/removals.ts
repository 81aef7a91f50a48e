import * as z from "zod";
import type { Page, PageRequest } from "../base/page.ts";
import { plainBytes, TRAIL_TEXT_BYTES } from "../base/text.ts";

export const RemovalSchema = z
  .object({
    at: z.string(),
    instance: z.string().describe("The name it had."),
    id: z.string().describe("Of the instance; the keys that it made carry it."),
    actor: z.string().describe("`admin`, or `admin:` and the name beside the administrator's token."),
    address: z.string().nullable(),
    userAgent: z.string(),
    requestId: z.string(),
  })
  .meta({ id: "Removal" });
/** The removal of an instance, whose own audit went with it. */
export type Removal = z.infer<typeof RemovalSchema>;

/** Rows kept; the oldest go first. */
const KEPT = 1_000;

/** Who removed which instance, kept where a removal does not reach. */
export class Removals {
  private readonly sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.sql = sql;
  }

  record(removal: Removal): void {
    const record = { ...removal, userAgent: plainBytes(removal.userAgent, TRAIL_TEXT_BYTES) };
    this.sql.exec("INSERT INTO removals (record) VALUES (?)", JSON.stringify(record));
    this.sql.exec("DELETE FROM removals WHERE number <= (SELECT max(number) FROM removals) - ?", KEPT);
  }

  /** Newest first; the cursor is the number of the last row given out. */
  list({ limit, cursor }: PageRequest): Page<Removal> {
    const before = cursor !== null && /^\d{1,15}$/.test(cursor) ? Number(cursor) : Number.MAX_SAFE_INTEGER;
    const rows = this.sql
      .exec<{ number: number; record: string }>(
        "SELECT number, record FROM removals WHERE number < ? ORDER BY number DESC LIMIT ?",
        before,
        limit + 1,
      )
      .toArray();
    const shown = rows.slice(0, limit);
    return {
      items: shown.map(({ record }) => JSON.parse(record)),
      nextCursor: rows.length > limit ? String(shown.at(-1)!.number) : null,
    };
  }
}
