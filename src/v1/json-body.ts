import type { MiddlewareHandler } from "hono";
import { fromUtf8 } from "../base/encoding.ts";
import { problem } from "../base/problem.ts";
import { parseJson, readBody } from "../http/body.ts";
import { type AppEnv, refuse } from "../http/context.ts";

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
    if (bytes === null) return refuse(c, problem("body_too_large", { hint: "A JSON body may have 256 KiB." }));
    const empty = bytes.byteLength === 0;
    if (!(empty && optional)) {
      if (!JSON_TYPE.test(c.req.header("content-type") ?? "")) return refuse(c, problem("media_type_refused"));
      if (parseJson(bytes) === undefined) return refuse(c, problem("body_unreadable"));
    }
    // The validator finds what was read already.
    c.req.bodyCache.text = Promise.resolve(empty ? "{}" : fromUtf8(bytes)) as never;
    await next();
  };
