import type { Result } from "../base/result.ts";
import { acceptHeaders, type HeaderRules } from "../http/header-rules.ts";

/**
 * Not for users to set (SECURITY 23): what signs, frames or routes the request, and what makes a cloud's metadata service
 * believe that a request is meant for it.
 */
const rules: HeaderRules = {
  reserved:
    /^(webhook-.*|host|content-.*|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|cf-.*|forwarded|x-forwarded-.*|x-real-ip|true-client-ip|accept-encoding|metadata.*|x-metadata-.*|x-aws-.*|x-google-metadata-.*)$/,
  reservedBecause: "cannot be set",
  longestValue: 2_048,
};

/** Headers that an endpoint's owner adds, such as an access token. The failure is a sentence. */
export const acceptEndpointHeaders = (given: Record<string, string>): Result<Record<string, string>, string> =>
  acceptHeaders(given, rules);
