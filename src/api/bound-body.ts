import { utf8 } from "../base/encoding.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { parseJson, readBody } from "../http/body.ts";

/** The fields of a body by name, undefined for one that it does not have. */
export type Fields = (name: string) => unknown;

type Unbound = "too_large" | "unreadable" | "unsupported_type";

/** A small body. PocketBase reads 32 MiB, which takes seconds and gigabytes to parse as JSON. */
const BODY_LIMIT = 64 << 10;

const none: Fields = () => undefined;

/**
 * A body read as PocketBase reads it (tools/router/event.go BindBody): by the beginning of its type as it is written, JSON
 * with case-insensitive keys, a form, or multipart with fields or `@jsonPayload`. XML, which it reads as well, is unreadable.
 */
export async function bindBody(request: Request): Promise<Result<Fields, Unbound>> {
  if (request.headers.get("content-length") === "0" || request.body === null) return ok(none);
  const bytes = await readBody(request, BODY_LIMIT);
  if (bytes === null) return fail("too_large");
  const type = request.headers.get("content-type") ?? "";
  if (type.startsWith("application/json")) return fromJson(bytes);
  if (type.startsWith("application/x-www-form-urlencoded")) return ok(fromForm(bytes));
  if (type.startsWith("multipart/form-data")) return fromMultipart(type, bytes);
  return fail(/^(?:text|application)\/xml/.test(type) ? "unreadable" : "unsupported_type");
}

function fromForm(bytes: Uint8Array): Fields {
  // A byte order mark is a part of the first name, as it is for Go.
  const form = new URLSearchParams(new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes));
  return (name) => form.get(name) ?? undefined;
}

function fromJson(bytes: Uint8Array): Result<Fields, Unbound> {
  // Go takes no byte order mark.
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return fail("unreadable");
  const value = parseJson(bytes);
  const first = value === undefined ? parseJson(firstObject(bytes)) : value;
  if (first === null) return ok(none);
  if (typeof first !== "object" || Array.isArray(first)) return fail("unreadable");
  return ok((name) => Object.entries(first).findLast(([key]) => key.toLowerCase() === name)?.[1]);
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

async function fromMultipart(type: string, bytes: Uint8Array): Promise<Result<Fields, Unbound>> {
  try {
    const form = await new Response(bytes as Uint8Array<ArrayBuffer>, { headers: { "content-type": type } }).formData();
    const payload = form.get("@jsonPayload");
    const json = typeof payload === "string" && payload !== "" ? fromJson(utf8(payload)) : ok(none);
    if (!json.ok) return json;
    return ok((name) => {
      const value = form.get(name);
      return typeof value === "string" && value !== "" ? value : json.value(name);
    });
  } catch {
    return fail("unreadable");
  }
}
