import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Sealer } from "../base/seal.ts";

export type SealedName = "credential" | "previousCredential" | "headers" | "sessionKey" | "nudgeSecret";

/** A value that was sealed but not stored yet: storing it is one synchronous write, together with what it belongs to. */
export type Sealed = { name: SealedName; plain: string; value: string };

/** What to call each when it cannot be opened. */
const WORDS: { [N in SealedName]: string } = {
  credential: "credential of the server",
  previousCredential: "former credential of the server",
  headers: "extra headers",
  sessionKey: "signing key of sessions and tickets",
  nudgeSecret: "nudge secret",
};

/**
 * The instance's secrets at rest. `context` tells what a value is bound to, so that none can be moved to another row,
 * instance or origin. What was opened stays in memory; what no configured key opens is locked, by name.
 */
export class SealedValues {
  private readonly sql: SqlStorage;
  private readonly sealer: Sealer;
  private readonly context: (name: SealedName) => string;
  private readonly opened = new Map<SealedName, string>();
  private readonly lockedNames = new Set<SealedName>();

  constructor(sql: SqlStorage, sealer: Sealer, context: (name: SealedName) => string) {
    this.sql = sql;
    this.sealer = sealer;
    this.context = context;
  }

  /** Seals without storing. `context` is given where the value is to be bound to something that is not stored yet. */
  async seal(name: SealedName, plain: string, context = this.context(name)): Promise<Sealed> {
    return { name, plain, value: await this.sealer.seal(plain, context) };
  }

  store(values: readonly Sealed[]): void {
    for (const { name, plain, value } of values) {
      this.sql.exec("INSERT OR REPLACE INTO sealed (name, value) VALUES (?, ?)", name, value);
      this.opened.set(name, plain);
      this.lockedNames.delete(name);
    }
  }

  forget(name: SealedName): void {
    this.sql.exec("DELETE FROM sealed WHERE name = ?", name);
    this.opened.delete(name);
    this.lockedNames.delete(name);
  }

  /** `sealed_locked` names what cannot be opened. A value that an older key sealed is sealed anew on the way. */
  async open(name: SealedName): Promise<Result<string, Problem>> {
    const known = this.opened.get(name);
    if (known !== undefined) return ok(known);
    const row = this.row(name);
    const opened = row === null ? fail("locked" as const) : await this.sealer.open(row, this.context(name));
    if (!opened.ok) {
      this.lockedNames.add(name);
      const message = `The stored ${WORDS[name]} cannot be opened with the configured ENCRYPTION_KEY.`;
      return fail(problem("sealed_locked", { message }));
    }
    const { plain, old } = opened.value;
    const anew = old ? await this.seal(name, plain) : null;
    // Somebody may have stored another value meanwhile.
    if (this.row(name) !== row) return this.open(name);
    if (anew) this.store([anew]);
    this.opened.set(name, plain);
    return ok(plain);
  }

  /** Opens everything, which seals anew what an older key sealed. The names that stay locked. */
  async sweep(): Promise<SealedName[]> {
    for (const name of this.names()) await this.open(name);
    return [...this.lockedNames];
  }

  /** How many values the first ENCRYPTION_KEY did not seal. */
  async leftToReseal(): Promise<number> {
    const current = await Promise.all(this.names().map((name) => this.sealer.isCurrent(this.row(name) ?? "")));
    return current.filter((sealed) => !sealed).length;
  }

  private names(): SealedName[] {
    return this.sql
      .exec<{ name: SealedName }>("SELECT name FROM sealed ORDER BY name")
      .toArray()
      .map(({ name }) => name);
  }

  private row(name: SealedName): string | null {
    const [row] = this.sql.exec<{ value: string }>("SELECT value FROM sealed WHERE name = ?", name).toArray();
    return row?.value ?? null;
  }
}
