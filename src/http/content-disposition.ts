import { Buffer } from "node:buffer";
import { utf8 } from "../base/encoding.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/;
const tspecials = '()<>@,;:\\"/[]?=';

type MediaType = { type: string; params: Map<string, string> };

/** A token or quoted string; a backslash that escapes nothing special stays, as old browsers sent whole Windows paths. */
function parameterValue(text: string): { value: string; rest: string } | null {
  if (!text.startsWith('"')) {
    const value = token.exec(text)?.[0];
    return value ? { value, rest: text.slice(value.length) } : null;
  }
  let value = "";
  for (let at = 1; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') return { value, rest: text.slice(at + 1) };
    const next = text[at + 1];
    if (character === "\\" && next !== undefined && tspecials.includes(next)) {
      value += next;
      at++;
    } else value += character;
  }
  return null;
}

const percentDecoded = (text: string): string | null =>
  /%(?![0-9a-f]{2})/i.test(text)
    ? null
    : text.replace(/%([0-9a-f]{2})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));

/** `UTF-8'en'%e2%82%ac` (RFC 8187 §3.2) as bytes; null for another charset or a broken one. */
function extendedValue(text: string): string | null {
  const found = /^(?:utf-8|us-ascii)'[^']*'(.*)$/is.exec(text);
  return found && percentDecoded(found[1]!);
}

/** `name*0*=…; name*1=…` (RFC 2231 §3) put together; null when there is no first piece. */
function continuedValue(name: string, pieces: Map<string, string>): string | null {
  let value: string | null = null;
  for (let n = 0; ; n++) {
    const plain = pieces.get(`${name}*${n}`);
    const encoded = pieces.get(`${name}*${n}*`);
    if (plain !== undefined) value = (value ?? "") + plain;
    else if (encoded !== undefined)
      value = (value ?? "") + ((n === 0 ? extendedValue(encoded) : percentDecoded(encoded)) ?? "");
    else return value;
  }
}

/**
 * A header value with parameters, read as the server reads it (Go `mime.ParseMediaType`): names in lower case, `name*`
 * wins over `name`, a parameter given twice spoils the whole. `text` holds one character per byte, and so do the values.
 * Null when Go would give no parameters.
 */
export function parseMediaType(text: string): MediaType | null {
  const type = text.split(";", 1)[0]!;
  const plain = new Map<string, string>();
  const extended = new Map<string, Map<string, string>>();
  let rest = text.slice(type.length).trim();
  while (rest !== "" && rest !== ";") {
    const name = /^;\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*/.exec(rest);
    const found = name && parameterValue(rest.slice(name[0].length));
    if (!found) return null;
    const key = name[1]!.toLowerCase();
    const base = key.split("*", 1)[0]!;
    if (key !== base && !extended.has(base)) extended.set(base, new Map());
    const values = key === base ? plain : extended.get(base)!;
    if (values.has(key)) return null;
    values.set(key, found.value);
    rest = found.rest.trim();
  }
  for (const [name, pieces] of extended) {
    const whole = pieces.get(`${name}*`);
    const value = whole === undefined ? continuedValue(name, pieces) : extendedValue(whole);
    if (value !== null) plain.set(name, value);
  }
  return { type: type.trim().toLowerCase(), params: plain };
}

/** The last path element as Go's `filepath.Base` gives it on Linux: `\` is no separator, `/` alone stays. */
function baseName(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end--;
  return end === 0 ? "/" : path.slice(path.lastIndexOf("/", end - 1) + 1, end);
}

/** Null for bytes that are no UTF-8. */
function textOf(bytes: string): string | null {
  try {
    return strict.decode(Buffer.from(bytes, "latin1"));
  } catch {
    return null;
  }
}

/** A part of a form; `filename` is null when its bytes are no UTF-8. */
type FormPart = { kind: "field"; name: string } | { kind: "file"; name: string; filename: string | null };

/** The file's own name where a client sent its full Windows path, which the server would make one long name. */
const withoutFolders = (name: string): string =>
  /^(?:[A-Za-z]:|\\)\\/.test(name) ? name.slice(name.lastIndexOf("\\") + 1) || name : name;

/**
 * What a form part is, from its raw `Content-Disposition` (Go `mime/multipart` `FormName`, `FileName`): a file when it
 * has a file name. Null when Go would pass the part over.
 */
export function formPart(disposition: string): FormPart | null {
  const parsed = parseMediaType(disposition);
  if (parsed?.type !== "form-data") return null;
  const name = parsed.params.get("name") ?? "";
  const filename = parsed.params.get("filename") ?? "";
  if (filename === "") return { kind: "field", name };
  return { kind: "file", name, filename: textOf(withoutFolders(baseName(filename))) };
}

/**
 * `attachment` for a file of any name (RFC 6266 §4.3): plain ASCII in `filename`, everything else replaced by `_` there
 * and exact in `filename*` (RFC 8187). Only the part after the last `/` is named.
 */
export function attachment(name: string): string {
  const base = baseName(name).toWellFormed();
  const safe = base.replace(/[^\x20-\x7e]|["\\%/]/gu, "_");
  if (safe === base) return `attachment; filename="${base}"`;
  let encoded = "";
  for (const byte of utf8(base)) {
    const character = String.fromCharCode(byte);
    encoded += /[A-Za-z0-9!#$&+.^_`|~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return `attachment; filename="${safe}"; filename*=UTF-8''${encoded}`;
}
