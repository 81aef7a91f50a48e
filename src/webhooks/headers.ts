import { fail, ok, type Result } from "../base/result.ts";

const MOST = 10;
const LONGEST_VALUE = 2_048;

/**
 * Not for users to set (SECURITY 23): what signs, frames or routes the request, and what makes a cloud's metadata service
 * believe that a request is meant.
 */
const reserved =
  /^(webhook-.*|host|content-.*|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|cf-.*|forwarded|x-forwarded-.*|x-real-ip|true-client-ip|accept-encoding|metadata.*|x-metadata-.*|x-aws-.*|x-google-metadata-.*)$/;

/**
 * Headers that an endpoint's owner adds, such as an access token: at most ten, no name twice in any case, visible ASCII.
 * Names come back in lower case. The failure is a sentence that quotes no value.
 */
export function acceptHeaders(given: Record<string, string>): Result<Record<string, string>, string> {
  const entries = Object.entries(given).map(([name, value]) => [name.toLowerCase(), value] as const);
  if (entries.length > MOST) return fail(`There can be at most ${MOST} headers.`);
  if (new Set(entries.map(([name]) => name)).size < entries.length) return fail("A header is given twice.");
  for (const [name, value] of entries) {
    // RFC 9110 §5.1: a field name is a token.
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name)) return fail("The name of a header is not one.");
    if (reserved.test(name)) return fail(`The header ${name} cannot be set.`);
    if (value.length > LONGEST_VALUE || !/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value))
      return fail(`The value of ${name} must be visible ASCII, at most ${LONGEST_VALUE} characters.`);
  }
  return ok(Object.fromEntries(entries));
}
