/** The items of one page of the server's answers (records, log rows), unchecked; null when it is no page. */
// biome-ignore lint/suspicious/noExplicitAny: what the server sent, checked where it is used.
export function itemsOf(json: unknown): any[] | null {
  const items = (json as { items?: unknown } | null | undefined)?.items;
  return Array.isArray(items) ? items : null;
}
