import { fail, ok, type Result } from "../base/result.ts";
import { eventTypes, isEventType } from "./event-kinds.ts";

/** At most this many in one filter or endpoint. */
const TYPE_PATTERN_LIMIT = 50;

/** Whether a type matches `*`, `group.*` or its own name. */
export const matchesType = (patterns: readonly string[], type: string): boolean =>
  patterns.some((pattern) => pattern === "*" || pattern === type || inGroup(pattern, type));

const inGroup = (pattern: string, type: string) => pattern.endsWith(".*") && type.startsWith(pattern.slice(0, -1));

/**
 * Accepts a list of type patterns as somebody wrote it. One that can match nothing is refused with a sentence: a
 * mistyped name would be an endpoint that never gets an event, without an error. Duplicates are dropped.
 */
export function parseTypePatterns(patterns: readonly string[]): Result<string[], string> {
  if (patterns.length === 0) return fail('Name at least one event type, or "*" for every one.');
  if (patterns.length > TYPE_PATTERN_LIMIT) return fail(`At most ${TYPE_PATTERN_LIMIT} event types.`);
  for (const pattern of patterns) {
    if (pattern === "*" || isEventType(pattern)) continue;
    if (!/^[a-z]+\.\*$/.test(pattern) && pattern.includes("*"))
      return fail('A "*" stands for every type, or after a group and a dot: "backup.*".');
    if (!eventTypes.some((type) => inGroup(pattern, type)))
      return fail(`There is no such event type: ${shown(pattern)}.`);
  }
  return ok([...new Set(patterns)]);
}

const shown = (text: string) => JSON.stringify(text.slice(0, 60));
