import type { AppContext } from "../edge/context.ts";

/** The answer of a drop-in call, with the fields that `?fields=` asks for. */
export const answerFields = (c: AppContext, value: object): Response =>
  c.json(pickFields(value, c.req.query("fields")));

/**
 * PocketBase's `?fields=` (tools/picker): the fields to answer, separated by commas, a dot between a field and one inside
 * it, `*` for all others. Without the parameter all are answered. A modifier such as `:excerpt` does not count.
 */
export function pickFields(value: unknown, fields: string | undefined): unknown {
  const paths = (fields ?? "").split(",").map((path) => path.trim().split(":")[0]!);
  const named = paths.filter((path) => path !== "");
  return named.length === 0 ? value : pick(value, named);
}

function pick(value: unknown, paths: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => pick(item, paths));
  if (typeof value !== "object" || value === null) return value;
  const picked = Object.entries(value).flatMap(([name, inner]) => {
    const own = paths.filter((path) => path === name || path.startsWith(`${name}.`));
    if (own.length === 0) return paths.includes("*") ? [[name, inner]] : [];
    const within = own.map((path) => path.slice(name.length + 1));
    return [[name, within.includes("") ? inner : pick(inner, within)]];
  });
  return Object.fromEntries(picked);
}
