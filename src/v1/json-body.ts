import type { MiddlewareHandler } from "hono";
import { fromUtf8 } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import { refusalOfCredential } from "../edge/ask.ts";
import { type AppEnv, refuse } from "../edge/context.ts";
import { parseJson, readBody } from "../http/body.ts";

/** More than any request to `/v1` needs: ten extra headers of 4 KiB are the largest. */
const BODY_LIMIT = 256 << 10;
const JSON_TYPE = /^application\/([\w.+-]+\+)?json\s*(;|$)/i;

/**
 * Reads a small JSON body, so that what cannot be read is refused in words before its fields are looked at: another type
 * 415, too large 413, no JSON 400.
 */
export const jsonBody = (optional: boolean): MiddlewareHandler<AppEnv> =>
  async function readJson(c, next) {
    const bytes = await readBody(c.req.raw, BODY_LIMIT);
    const empty = bytes?.byteLength === 0;
    const refusal = empty && optional ? null : refusalOf(bytes, c.req.header("content-type") ?? "");
    if (refusal) return refuse(c, (await refusalOfCredential(c)) ?? refusal);
    // The validator finds what was read already; an empty body that says it is JSON is one without fields.
    const none = c.req.header("content-type") === undefined ? "" : "{}";
    c.req.bodyCache.text = Promise.resolve(empty || !bytes ? none : fromUtf8(bytes)) as never;
    await next();
  };

function refusalOf(bytes: Uint8Array | null, type: string): Problem | null {
  if (bytes === null) return problem("body_too_large", { hint: "A JSON body may have 256 KiB." });
  if (!JSON_TYPE.test(type)) return problem("media_type_refused");
  return parseJson(bytes) === undefined ? problem("body_unreadable") : null;
}
