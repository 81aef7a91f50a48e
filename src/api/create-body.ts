import { fromUtf8 } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { parseJson, readBody } from "../http/body.ts";

/** A name has 150 characters. PocketBase reads 32 MiB, which takes seconds and gigabytes to parse as JSON. */
const BODY_LIMIT = 64 << 10;

const unreadable = () =>
  fail(problem("invalid_request", { message: "An error occurred while loading the submitted data.", hint: BODY_HINT }));
const BODY_HINT = 'Send {"name":"my_backup.zip"} as application/json, or no body at all for a generated name.';

/**
 * The backup's name in the body of a create, read as PocketBase reads it (tools/router/event.go BindBody): JSON with
 * case-insensitive keys, a form, or multipart with `name` or `@jsonPayload`. Null: the server makes up a name. Whether
 * the name is allowed is checked by the instance.
 */
export async function requestedName(request: Request): Promise<Result<string | null, Problem>> {
  if (request.headers.get("content-length") === "0" || request.body === null) return ok(null);
  const bytes = await readBody(request, BODY_LIMIT);
  if (bytes === null) return fail(problem("body_too_large"));
  const type = (request.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (type === "application/json") return fromJson(bytes);
  if (type === "application/x-www-form-urlencoded") return ok(new URLSearchParams(fromUtf8(bytes)).get("name") || null);
  if (type === "multipart/form-data") return fromMultipart(request.headers.get("content-type")!, bytes);
  return unreadable();
}

function fromJson(bytes: Uint8Array): Result<string | null, Problem> {
  const value = parseJson(bytes);
  const first = value === undefined ? parseJson(firstObject(bytes)) : value;
  if (first === null) return ok(null);
  if (typeof first !== "object" || Array.isArray(first)) return unreadable();
  const entry = Object.entries(first as object).findLast(([key]) => key.toLowerCase() === "name");
  if (!entry || entry[1] === null || entry[1] === "") return ok(null);
  return typeof entry[1] === "string" ? ok(entry[1]) : unreadable();
}

/** The text up to the brace that closes the first object: PocketBase's decoder ignores whatever follows it. */
function firstObject(bytes: Uint8Array): Uint8Array {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const character = bytes[at]!;
    if (quoted && character === 0x5c) at++;
    else if (character === 0x22) quoted = !quoted;
    else if (quoted) continue;
    else if (character === 0x7b) depth++;
    else if (character === 0x7d && --depth <= 0) return bytes.subarray(0, at + 1);
  }
  return new Uint8Array();
}

async function fromMultipart(type: string, bytes: Uint8Array): Promise<Result<string | null, Problem>> {
  try {
    const form = await new Response(bytes as Uint8Array<ArrayBuffer>, { headers: { "content-type": type } }).formData();
    const name = form.get("name");
    if (typeof name === "string" && name !== "") return ok(name);
    const json = form.get("@jsonPayload");
    return typeof json === "string" && json !== "" ? fromJson(new TextEncoder().encode(json)) : ok(null);
  } catch {
    return unreadable();
  }
}
