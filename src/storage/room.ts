/*
 * A disk without room. On plain workerd SQLite then refuses a write as late as the end of the turn, where no code can
 * catch it: the runtime breaks the object, and its call fails with SQLite's words. On Cloudflare, whose objects have a
 * largest size, the statement itself throws them. Reading works on in both homes.
 */

/** Whether a call to an object failed because there was no room for what it wrote. */
export const isOutOfRoom = (error: unknown): boolean =>
  error instanceof Error && /SQLITE_FULL|database or disk is full/.test(error.message);

const READS = /^\s*SELECT\b/i;

/** What a statement that was not run answers. */
const nothing = {
  toArray: () => [],
  one: () => ({}),
  rowsRead: 0,
  rowsWritten: 0,
  [Symbol.iterator]: () => [].values(),
};

/**
 * A view of an object's storage that writes nothing, for reads while there is no room: what a read writes beside its answer
 * (counts, audit rows) is left out. Parts built on it are to be thrown away before anything is written again.
 */
export function readOnly({ sql, getAlarm }: DurableObjectStorage): DurableObjectStorage {
  const view = {
    sql: { exec: (query: string, ...values: unknown[]) => (READS.test(query) ? sql.exec(query, ...values) : nothing) },
    transactionSync: <T>(work: () => T): T => work(),
    getAlarm,
    setAlarm: async () => undefined,
    sync: async () => undefined,
  };
  return view as unknown as DurableObjectStorage;
}
