/** Headers of one part of a form: names in lower case, values with one character per byte. */
export type PartHeaders = Map<string, string>;

const isBlank = (character: string | undefined): boolean => character === " " || character === "\t";

/** Without spaces and tabs around it; by hand, since a pattern takes quadratic time for many spaces inside. */
function trim(text: string): string {
  let [start, end] = [0, text.length];
  while (isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

/**
 * A part's headers from its lines, as the server reads them (Go `net/textproto` `readMIMEHeader`): a line that begins with a
 * space or tab continues the one before, a name with a space in it is read and names nothing, the first of two counts. Null
 * where Go gives up.
 */
export function readPartHeaders(lines: readonly string[]): PartHeaders | null {
  const headers: PartHeaders = new Map();
  for (let at = 0; at < lines.length; ) {
    const line = lines[at++]!;
    if (/^[ \t]/.test(line) || !line.includes(":")) return null;
    let whole = trim(line);
    while (at < lines.length && /^[ \t]/.test(lines[at]!)) whole += ` ${trim(lines[at++]!)}`;
    const name = whole.slice(0, whole.indexOf(":")).toLowerCase();
    const value = whole.slice(name.length + 1);
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z ]+$/.test(name) || /[\0-\x08\n-\x1f\x7f]/.test(value)) return null;
    if (!headers.has(name)) headers.set(name, value.replace(/^[ \t]+/, ""));
  }
  return headers;
}
