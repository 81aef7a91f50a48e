import { DatabaseSync, type SQLInputValue } from "node:sqlite";

/**
 * An object's SQLite as the platform keeps it: whatever one turn writes is one transaction, what leaves the object waits
 * for it (`gate`), and a kill takes the open one back.
 */
export class Turns {
  /** Rows written by statements that were committed or still may be. */
  rowsWritten = 0;
  /** Called before a write; throws to kill. */
  onWrite: (statement: string) => void = () => undefined;
  /** Called after a write, long before its turn is committed; throws to kill. */
  onWritten: (statement: string) => void = () => undefined;
  readonly sql: SqlStorage;
  private readonly database = new DatabaseSync(":memory:");
  private committed: Promise<void> | null = null;

  constructor() {
    const exec = (statement: string, ...bindings: unknown[]) => this.exec(statement, bindings);
    this.sql = { exec } as unknown as SqlStorage;
  }

  get storage(): DurableObjectStorage {
    return { sql: this.sql, transactionSync: (work: () => unknown) => work() } as unknown as DurableObjectStorage;
  }

  /** Resolves when everything written so far is durable. */
  async gate(): Promise<void> {
    await this.committed;
  }

  /** What the process had not committed is gone. */
  kill(): void {
    if (this.committed) this.database.exec("ROLLBACK");
    this.committed = null;
  }

  private exec(statement: string, bindings: unknown[]) {
    const prepared = this.database.prepare(statement);
    if (/^\s*SELECT/i.test(statement)) {
      const rows = prepared.all(...(bindings as SQLInputValue[]));
      return {
        toArray: () => rows,
        one: () => rows[0],
        [Symbol.iterator]: () => rows[Symbol.iterator](),
      };
    }
    this.onWrite(statement);
    this.begin();
    const { changes } = prepared.run(...(bindings as SQLInputValue[]));
    this.rowsWritten += Number(changes);
    this.onWritten(statement);
    return { toArray: () => [], one: () => undefined, [Symbol.iterator]: () => [][Symbol.iterator]() };
  }

  private begin(): void {
    if (this.committed) return;
    this.database.exec("BEGIN");
    const commit = new Promise<void>((resolve) => {
      setImmediate(() => {
        if (this.committed === commit) {
          this.database.exec("COMMIT");
          this.committed = null;
        }
        resolve();
      });
    });
    this.committed = commit;
  }
}
