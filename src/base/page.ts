/** One page of a list; `nextCursor` is null on the last. */
export type Page<T> = { items: T[]; nextCursor: string | null };

/** `cursor` is the `nextCursor` of the page before; null for the first. */
export type PageRequest = { limit: number; cursor: string | null };
