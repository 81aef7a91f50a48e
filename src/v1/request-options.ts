import { createHash } from "node:crypto";
import type { Problem } from "../base/problem.ts";
import { ok, type Result } from "../base/result.ts";
import type { AppContext } from "../edge/context.ts";
import type { RequestOptions } from "../instances/caller.ts";
import { readIdempotencyKey } from "../operations/idempotency.ts";

/**
 * The options of a `/v1` request for an operation. With an `Idempotency-Key` goes a fingerprint of method, path, query
 * and body, so that the same key for another request is noticed (draft-ietf-httpapi-idempotency-key-header §2.6).
 */
export async function requestOptions(c: AppContext, waitSeconds: number): Promise<Result<RequestOptions, Problem>> {
  const header = c.req.header("idempotency-key");
  if (header === undefined) return ok({ waitSeconds, surface: "v1", idempotency: null });
  const key = readIdempotencyKey(header);
  if (!key.ok) return key;
  const { pathname, search } = new URL(c.req.url);
  // The validation of a JSON body has read it already, and Hono keeps its text; a route that takes no body reads none.
  const body = (await c.req.bodyCache.text) ?? "";
  const fingerprint = createHash("sha256").update(`${c.req.method} ${pathname}${search}\n${body}`).digest("hex");
  return ok({ waitSeconds, surface: "v1", idempotency: { key: key.value, fingerprint } });
}
