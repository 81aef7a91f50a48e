/**
 * The entity tag (RFC 9110 §8.8.3) of one version of a file: its name, its size in bytes and its date (`Last-Modified`).
 * Strong, as the server never writes into a file it has stored. Null without a date, when nothing tells versions apart.
 */
export const entityTag = (name: string, size: number, date: string | null): string | null =>
  date === null ? null : `"${encodeURIComponent(name.toWellFormed())}:${size}:${Date.parse(date) / 1000}"`;

/**
 * A caller's conditions with entity tags, as they came; null where it set none. PocketBase has no tags, so they never reach
 * it: they are judged by the version it answers with.
 */
export type TagConditions = { match: string | null; noneMatch: string | null; range: string | null };

/** `go_on`: answer as the server did. `whole`: the range is of another version, so all of this one. */
type Verdict = "go_on" | "whole" | "precondition_failed" | "not_modified";

/** What the conditions say of a version, in the order of RFC 9110 §13.2.2. `*` stands for any version there is. */
export function judgeTags({ match, noneMatch, range }: TagConditions, tag: string | null): Verdict {
  if (match !== null && match !== "*" && !tagsIn(match).some((each) => each === tag)) return "precondition_failed";
  const known = (each: string) => each.replace(/^W\//, "") === tag;
  if (noneMatch !== null && (noneMatch === "*" || tagsIn(noneMatch).some(known))) return "not_modified";
  return range === null || range === tag ? "go_on" : "whole";
}

/** The tags of a list up to the first thing that is none, as Go reads it. */
export function tagsIn(list: string): string[] {
  const next = /[ \t,]*((?:W\/)?"[^"]*")/y;
  const tags: string[] = [];
  for (let found = next.exec(list); found; found = next.exec(list)) tags.push(found[1]!);
  return tags;
}
