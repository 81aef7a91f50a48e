import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { acceptHeaders, type HeaderRules } from "../http/header-rules.ts";

/** Set by the relay or by HTTP itself, read by the server as a credential, or naming the caller's address. */
const rules: HeaderRules = {
  reserved:
    /^(authorization|cookie|host|accept|accept-encoding|range|if-.*|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|proxy-.*|forwarded|x-forwarded-.*|x-real-ip|cf-connecting-ip|true-client-ip|metadata.*|x-aws-.*)$/,
  reservedBecause: "is the relay's own",
  longestValue: 4_096,
};

/**
 * Headers that a tunnel or proxy in front of the server asks for, such as an access token. None that the relay sets
 * itself. Problem: `invalid_request`, and no value in it.
 */
export function extraHeaders(given: Record<string, string>): Result<Record<string, string>, Problem> {
  const accepted = acceptHeaders(given, rules);
  if (accepted.ok) return accepted;
  const headers = { code: "validation_invalid_headers", message: accepted.error };
  return fail(problem("invalid_request", { data: { headers } }));
}
