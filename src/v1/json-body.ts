import type { MiddlewareHandler } from "hono";
import { fromUtf8 } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import { refusalBeforeBody, refusalOfCredential } from "../edge/ask.ts";
import { type AppEnv, refuse } from "../edge/context.ts";
import { parseJson, readBody } from "../http/body.ts";

/** Bytes. The largest request has ten extra headers of 4 KiB. */
const BODY_LIMIT = 256 << 10;
const JSON_TYPE = /^application\/([\w.+-]+\+)?json\s*(;|$)/i;

/**
 * Reads the JSON body of a route before its fields are validated. Another media type is answered 415, a body over 256 KiB
 * 413, text that is no JSON 400.
 */
export const jsonBody = (optional: boolean): MiddlewareHandler<AppEnv> =>
  async function readJson(c, next) {
    const stranger = await refusalBeforeBody(c);
    if (stranger) return refuse(c, stranger);
    const bytes = await readBody(c.req.raw, BODY_LIMIT);
    const empty = bytes?.byteLength === 0;
    const refusal = empty && optional ? null : refusalOf(bytes, c.req.header("content-type") ?? "");
    if (refusal) return refuse(c, (await refusalOfCredential(c)) ?? refusal);
    // The validator takes the text from here. An empty body whose type is JSON counts as an object without fields.
    const emptyText = c.req.header("content-type") === undefined ? "" : "{}";
    c.req.bodyCache.text = Promise.resolve(empty || !bytes ? emptyText : fromUtf8(bytes)) as never;
    await next();
  };

function refusalOf(bytes: Uint8Array | null, type: string): Problem | null {
  if (bytes === null) return problem("body_too_large", { hint: "A JSON body may have 256 KiB." });
  if (!JSON_TYPE.test(type)) return problem("media_type_refused");
  return parseJson(bytes) === undefined ? problem("body_unreadable") : null;
}
