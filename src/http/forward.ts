import { attachment } from "./content-disposition.ts";
import { isHttpDate } from "./date.ts";
import { type TagConditions, tagsIn } from "./entity-tag.ts";

/** The headers of a caller's download request that may reach the server: which bytes, and under which condition. */
export type Conditions = Partial<Record<"Range" | "If-Range" | "If-Modified-Since" | "If-Unmodified-Since", string>>;

/** A longer value asks for hundreds of ranges; RFC 9110 §14.2 lets it be ignored. */
const LONGEST_VALUE = 1024;

/**
 * The caller's range and preconditions (RFC 9110 §13, §14), and nothing else of its headers, such as a credential. `sent`
 * reaches the server; `tags` are judged by the relay, and a date beside them does not count. `moving`: the address will
 * name another file later. A range of it counts only together with a tag that says of which one; without, the parts of two
 * files would be joined.
 */
export function conditions(caller: Headers, moving: boolean): { sent: Conditions; tags: TagConditions } {
  const range = caller.get("If-Range");
  const tagged = range?.startsWith('"') ?? false;
  const tags = {
    match: caller.get("If-Match"),
    noneMatch: caller.get("If-None-Match"),
    range: tagged ? range : null,
  };
  const sent: Conditions = {};
  const pass = (name: keyof Conditions) => {
    const value = caller.get(name);
    if (value && value.length <= LONGEST_VALUE) sent[name] = value;
    return !value || value.length <= LONGEST_VALUE;
  };
  if (tags.match === null) pass("If-Unmodified-Since");
  if (tags.noneMatch === null) pass("If-Modified-Since");
  const pinned = tagged || tagsIn(tags.match ?? "").length > 0;
  // A condition that is too long to be passed on holds for no version.
  if ((!moving || pinned) && (tagged || pass("If-Range"))) pass("Range");
  return { sent, tags };
}

/**
 * Whether a client whose range is answered whole would join two files: wget skips as many bytes of a 200 as it has already,
 * and ends with exit 0. curl and aria2c refuse a 200.
 */
export const joinsRanges = (caller: Headers): boolean =>
  caller.has("Range") && /^wget\//i.test(caller.get("User-Agent") ?? "") && !conditions(caller, true).sent.Range;

/** The server's `Last-Modified` (RFC 9110 §8.8.2), or null when it is absent or no date. */
export function lastModified(headers: Headers): string | null {
  const value = headers.get("Last-Modified");
  return value !== null && isHttpDate(value) ? value : null;
}

/** RFC 2046 §5.1.1: 1–70 characters of a fixed set; anything else could smuggle parameters into our header. */
const byteranges = /^multipart\/byteranges; ?boundary="?([0-9A-Za-z'()+_,./:=?-]{1,70})"?$/;

export const isByteranges = (headers: Headers): boolean => byteranges.test(headers.get("Content-Type") ?? "");

function ownType(headers: Headers): string {
  const type = headers.get("Content-Type") ?? "";
  const boundary = byteranges.exec(type)?.[1];
  if (boundary !== undefined) return `multipart/byteranges; boundary="${boundary}"`;
  return type === "application/zip" ? type : "application/octet-stream";
}

/** Each name in one spelling; a plain object costs the runtime less than a `Headers`. */
export type FileHeaders = Record<string, string>;

/**
 * Headers of an answer that carries a file or describes one: what a client needs to resume, each value checked, and
 * what keeps a browser from running or storing it (SECURITY 14). Nothing of the server's passes that is not named here.
 * The length is left to the body, but for HEAD, which has none.
 */
export function fileHeaders(server: Headers, name: string): FileHeaders {
  const headers: FileHeaders = {
    "Content-Type": ownType(server),
    "Content-Disposition": attachment(name),
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
  };
  const date = lastModified(server);
  if (date !== null) headers["Last-Modified"] = date;
  if (server.get("Accept-Ranges") === "bytes") headers["Accept-Ranges"] = "bytes";
  const range = server.get("Content-Range") ?? "";
  if (/^bytes (\d+-\d+|\*)\/\d+$/.test(range)) headers["Content-Range"] = range;
  return headers;
}
