/** A row of PocketBase's log. */
export type LogRow = { id: string; created: string; level: number; message: string; data: Record<string, unknown> };

type Pending = Omit<LogRow, "created"> & { at: number };

export const stamp = (at: number): string => new Date(at).toISOString().replace("T", " ");

/** Rows become visible 3 s after the last logged one, or when 200 wait (upstream.md, surprise 2). */
export class ServerLog {
  delayMs = 3000;
  rows: LogRow[] = [];
  private waiting: Pending[] = [];
  private last = 0;

  add(at: number, level: number, message: string, data: Record<string, unknown>): void {
    this.flush(at);
    this.waiting.push({ id: crypto.randomUUID().replaceAll("-", "").slice(0, 15), at, level, message, data });
    this.last = at;
    if (this.waiting.length >= 200) this.flush(at + this.delayMs);
  }

  private flush(now: number): void {
    if (now < this.last + this.delayMs) return;
    for (const { at, ...row } of this.waiting) this.rows.push({ ...row, created: stamp(at) });
    this.waiting = [];
  }

  /** A restored server has the rows of the backup and nothing of what it was about to write. */
  replace(rows: LogRow[]): void {
    this.rows = [...rows];
    this.waiting = [];
  }

  /** Filters are `a="x" && b>="y"` as the relay asks them; newest first unless sorted by `created`. */
  find(now: number, filter: string, sort: string): LogRow[] {
    this.flush(now);
    const terms =
      filter === ""
        ? []
        : filter.split("&&").map((term) => /^\s*([\w.]+)\s*(>=|>|=|!~|~)\s*"?([^"]*)"?\s*$/.exec(term));
    const admits = (row: LogRow): boolean =>
      terms.every((term) => {
        const [field, operator, wanted] = [term![1]!, term![2]!, term![3]!.trim()];
        const value = String(field.startsWith("data.") ? row.data[field.slice(5)] : row[field as keyof LogRow]);
        if (operator === "~") return value.includes(wanted);
        if (operator === "!~") return !value.includes(wanted);
        if (operator === "=") return value === wanted;
        return operator === ">" ? value > wanted : value >= wanted;
      });
    const found = this.rows.filter(admits);
    return sort === "created" ? found : found.reverse();
  }
}
