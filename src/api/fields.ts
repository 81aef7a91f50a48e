/**
 * PocketBase's `?fields=` for flat records: the names of the fields to answer, separated by commas. Without the
 * parameter, and with `*`, all are answered. Of a nested path or a modifier such as `:excerpt` only the first name
 * counts: the fields of a backup are neither nested nor long.
 */
export function pickFields<T extends Record<string, unknown>>(items: T[], fields: string | undefined): Partial<T>[] {
  const names = (fields ?? "")
    .split(",")
    .map((name) => name.trim().split(/[.:]/)[0]!)
    .filter((name) => name !== "");
  if (names.length === 0 || names.includes("*")) return items;
  const wanted = new Set(names);
  return items.map(
    (item) => Object.fromEntries(Object.entries(item).filter(([name]) => wanted.has(name))) as Partial<T>,
  );
}
