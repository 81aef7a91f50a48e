import { fail, ok, type Result } from "../base/result.ts";
import type { Sealer } from "../base/seal.ts";

/** A value that was sealed but not stored yet: storing it is one synchronous write, together with what it belongs to. */
type Sealed<N extends string> = { name: N; plain: string; value: string };

/**
 * The secrets of an object at rest, by name. `context` says what a value is bound to, so that none can be moved to another
 * row, object or origin. What was opened stays in memory; what no configured key opens is locked.
 */
export class SealedValues<N extends string> {
  private readonly sql: SqlStorage;
  private readonly sealer: Sealer;
  private readonly context: (name: N) => string;
  private readonly opened = new Map<N, string>();
  private readonly lockedNames = new Set<N>();

  constructor(sql: SqlStorage, sealer: Sealer, context: (name: N) => string) {
    this.sql = sql;
    this.sealer = sealer;
    this.context = context;
  }

  /** Seals without storing. `context` is given where the value is to be bound to something that is not stored yet. */
  async seal(name: N, plain: string, context = this.context(name)): Promise<Sealed<N>> {
    return { name, plain, value: await this.sealer.seal(plain, context) };
  }

  store(values: readonly Sealed<N>[]): void {
    for (const { name, plain, value } of values) {
      this.sql.exec("INSERT OR REPLACE INTO sealed (name, value) VALUES (?, ?)", name, value);
      this.opened.set(name, plain);
      this.lockedNames.delete(name);
    }
  }

  forget(name: N): void {
    this.sql.exec("DELETE FROM sealed WHERE name = ?", name);
    this.opened.delete(name);
    this.lockedNames.delete(name);
  }

  /** A value that a former key sealed is sealed anew on the way: that key shall not be needed for ever. */
  async open(name: N): Promise<Result<string, "locked">> {
    const known = this.opened.get(name);
    if (known !== undefined) return ok(known);
    const row = this.row(name);
    const opened = row === null ? fail("locked" as const) : await this.sealer.open(row, this.context(name));
    if (!opened.ok) {
      this.lockedNames.add(name);
      return fail("locked");
    }
    const { plain, old } = opened.value;
    const anew = old ? await this.seal(name, plain) : null;
    // Another value may have been stored meanwhile.
    if (this.row(name) !== row) return this.open(name);
    if (anew) this.store([anew]);
    this.opened.set(name, plain);
    return ok(plain);
  }

  /** Opens everything, which seals anew what a former key sealed. The names that stay locked. */
  async openAll(): Promise<N[]> {
    for (const name of this.names()) await this.open(name);
    return [...this.lockedNames];
  }

  /** How many values the first ENCRYPTION_KEY did not seal. */
  async leftToReseal(): Promise<number> {
    const current = await Promise.all(this.names().map((name) => this.sealer.isCurrent(this.row(name) ?? "")));
    return current.filter((sealed) => !sealed).length;
  }

  /** How a stored value begins, which names the ENCRYPTION_KEY that sealed it; null when there is none. */
  sealedWith(name: N): string | null {
    return this.row(name)?.split(".", 2).join(".") ?? null;
  }

  private names(): N[] {
    return this.sql
      .exec<{ name: N }>("SELECT name FROM sealed ORDER BY name")
      .toArray()
      .map(({ name }) => name);
  }

  private row(name: N): string | null {
    const [row] = this.sql.exec<{ value: string }>("SELECT value FROM sealed WHERE name = ?", name).toArray();
    return row?.value ?? null;
  }
}
