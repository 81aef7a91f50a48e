import { Buffer } from "node:buffer";
import { fromBase64, fromUtf8 } from "../base/encoding.ts";
import { plainText } from "../base/text.ts";

/** What is kept of an answer, in bytes of UTF-8. */
export const SNIPPET_BYTES = 4_096;
/** How much of a body to read for it: more than is kept, so that a secret at the end is seen whole and masked. */
export const SNIPPET_READ_BYTES = 2 * SNIPPET_BYTES;

const MASK = "•••";
/** Shorter parts of an address are no secrets but plain words, which answers may hold. */
const SHORTEST_ADDRESS_PART = 8;

/**
 * What the endpoint's owner sees of an answer: the start of the body as text, with the endpoint's own header values and
 * address masked (a receiver may echo them, and whoever reads attempts must not learn them), and control characters
 * escaped. `body` is its first `SNIPPET_READ_BYTES` at most. Never call it for a receiver that is not public (SECURITY 22).
 */
export function responseSnippet(body: Uint8Array, secrets: readonly string[]): string {
  const pattern = patternOf(secrets);
  const mask = (text: string) => (pattern === null ? text : text.replace(pattern, MASK));
  const whole = mask(fromUtf8(body));
  const text = body.length < SNIPPET_READ_BYTES ? whole : withoutPartialSecret(whole, secrets);
  const escaped = text
    .split(/\r?\n/)
    .map((line) => plainText(line.replaceAll("\t", "  "), SNIPPET_READ_BYTES * 2))
    .join("\n");
  return cut(mask(escaped));
}

/** Header values and parts of the address that an answer could contain, in the spellings in which servers echo them. */
export function endpointSecrets(headers: Record<string, string>, url: string): string[] {
  const { pathname, search, searchParams } = new URL(url);
  const address = [pathname + search, ...pathname.split("/"), ...searchParams.values()];
  const values = Object.values(headers).flatMap((value) => [value, ...credentials(value)]);
  const all = [...values, ...address.filter((part) => part.length >= SHORTEST_ADDRESS_PART)].flatMap((value) => [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
  ]);
  return [...new Set(all)].filter((value) => value !== "");
}

/** `Bearer x` without its scheme, and `Basic x` decoded. */
function credentials(value: string): string[] {
  const [, scheme, credential] = /^([a-z]+) +(\S+)$/i.exec(value) ?? [];
  if (credential === undefined) return [];
  const basic = scheme!.toLowerCase() === "basic" ? fromBase64(credential) : null;
  const decoded = basic === null ? [] : [fromUtf8(basic), fromUtf8(basic).replace(/^[^:]*:/, "")];
  return [credential, ...decoded];
}

function patternOf(secrets: readonly string[]): RegExp | null {
  if (secrets.length === 0) return null;
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map((secret) => secret.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "gi");
}

/** The body was cut: what may be the first part of a secret at the end is masked too. */
function withoutPartialSecret(text: string, secrets: readonly string[]): string {
  const end = text.toLowerCase();
  let partial = 0;
  for (const secret of secrets) {
    const lower = secret.toLowerCase();
    for (let length = Math.min(lower.length - 1, end.length); length > partial; length--)
      if (end.endsWith(lower.slice(0, length))) partial = length;
  }
  return text.slice(0, text.length - partial) + (partial > 0 ? MASK : "");
}

function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= SNIPPET_BYTES) return text;
  const kept = bytes.subarray(0, SNIPPET_BYTES - 3).toString();
  return `${kept.replace(/\ufffd$/, "")}…`;
}
