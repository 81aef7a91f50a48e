/**
 * PocketBase's `?fields=` for a list of flat records: a comma-separated pick of top-level names, `*` for all. Modifiers
 * such as `:excerpt` and nested paths have nothing to act on in a backup and are read by their first name. Without the
 * parameter everything passes.
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
