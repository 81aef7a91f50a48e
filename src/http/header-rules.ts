import { fail, ok, type Result } from "../base/result.ts";

/** What one kind of added header may be, beside what every kind may be. */
export type HeaderRules = {
  /** Names, in lower case, that cannot be given. */
  reserved: RegExp;
  /** Why not, after `The header <name>`. */
  reservedBecause: string;
  /** In characters. */
  longestValue: number;
};

const MOST = 10;

/**
 * Headers that somebody adds to requests of the relay: at most ten, no name twice in any case, values of visible ASCII.
 * Names come back in lower case. The failure is a sentence that quotes no value, because values may be secrets.
 */
export function acceptHeaders(
  given: Record<string, string>,
  { reserved, reservedBecause, longestValue }: HeaderRules,
): Result<Record<string, string>, string> {
  const entries = Object.entries(given).map(([name, value]) => [name.toLowerCase(), value] as const);
  if (entries.length > MOST) return fail(`There can be at most ${MOST} headers.`);
  if (new Set(entries.map(([name]) => name)).size < entries.length) return fail("A header is given twice.");
  for (const [name, value] of entries) {
    // RFC 9110 §5.1: a field name is a token.
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name)) return fail("The name of a header is not one.");
    if (reserved.test(name)) return fail(`The header ${name} ${reservedBecause}.`);
    if (value.length > longestValue || !/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value))
      return fail(`The value of ${name} must be visible ASCII, at most ${longestValue} characters.`);
  }
  return ok(Object.fromEntries(entries));
}
