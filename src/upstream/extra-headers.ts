import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

const MOST = 10;
/** Set by the relay or by HTTP itself, read by the server as a credential, or naming the caller's address. */
const reserved =
  /^(authorization|cookie|host|accept|accept-encoding|range|if-.*|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|proxy-.*|forwarded|x-forwarded-.*|x-real-ip|cf-connecting-ip|true-client-ip|metadata.*|x-aws-.*)$/;

/**
 * Headers that a tunnel or proxy in front of the server asks for, such as an access token. At most ten, visible ASCII,
 * none that the relay sets itself. Names come back in lower case. Problem: `invalid_request`, and no value in it.
 */
export function extraHeaders(given: Record<string, string>): Result<Record<string, string>, Problem> {
  const entries = Object.entries(given).map(([name, value]) => [name.toLowerCase(), value] as const);
  const wrong = (message: string) =>
    fail(problem("invalid_request", { data: { headers: { code: "validation_invalid_headers", message } } }));
  if (entries.length > MOST) return wrong(`There can be at most ${MOST} headers.`);
  if (new Set(entries.map(([name]) => name)).size < entries.length) return wrong("A header is given twice.");
  for (const [name, value] of entries) {
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name)) return wrong("A header's name is not one.");
    if (reserved.test(name)) return wrong(`The header ${name} is the relay's own.`);
    if (!/^[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?$/.test(value))
      return wrong(`The value of ${name} must be visible ASCII, at most 4096 characters.`);
  }
  return ok(Object.fromEntries(entries));
}
