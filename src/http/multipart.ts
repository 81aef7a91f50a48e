import { Buffer } from "node:buffer";

/** Headers of one part: names in lower case, values with one character per byte. */
type PartHeaders = Map<string, string>;

/** `content` belongs to the last `part`; its bytes are a view of what was pushed and hold until the next push. */
export type FormEvent =
  | { kind: "part"; headers: PartHeaders }
  | { kind: "content"; bytes: Uint8Array }
  | { kind: "partEnd" };

type FormParser = {
  /** Events of the next piece of the body, in order; null once the framing is broken. */
  push(chunk: Uint8Array): FormEvent[] | null;
  /** Whether the last boundary has been seen; what follows it is passed over. */
  readonly complete: boolean;
};

const MOST_PARTS = 1000;
const LONGEST_HEAD = 16 * 1024;
const LONGEST_LINE = 256;

const [TAB, LF, CR, SPACE, DASH] = [9, 10, 13, 32, 45];

/** How many of the last bytes could be the beginning of `delimiter`. */
function partialDelimiter(bytes: Buffer, from: number, delimiter: Buffer): number {
  const first = delimiter[0]!;
  const earliest = Math.max(from, bytes.length - delimiter.length + 1);
  for (let at = bytes.indexOf(first, earliest); at !== -1; at = bytes.indexOf(first, at + 1))
    if (bytes.compare(delimiter, 0, bytes.length - at, at) === 0) return bytes.length - at;
  return 0;
}

/** Null for folded or nameless headers, which no known client sends. */
function parseHeaders(block: string): PartHeaders | null {
  const headers: PartHeaders = new Map();
  if (block === "") return headers;
  for (const line of block.split("\r\n")) {
    const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (!match || /[\0\r\n]/.test(match[2]!)) return null;
    const name = match[1]!.toLowerCase();
    // The first one counts, as in Go's `textproto.MIMEHeader.Get`.
    if (!headers.has(name)) headers.set(name, match[2]!);
  }
  return headers;
}

/**
 * Takes a `multipart/form-data` body apart as it streams by (RFC 2046 §5.1.1, RFC 7578), however it is cut into pieces,
 * holding back no more than a boundary or one part's headers (16 KiB). Bytes that merely look like the boundary stay
 * content, as in Go's `mime/multipart`: after it must come `--`, a space, a tab or the line's end. Lines end in CRLF.
 */
export function formParser(boundary: string): FormParser {
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  // As if a line had just ended: the first boundary may open the body.
  let held = Buffer.from("\r\n");
  let state: "content" | "line" | "headers" | "epilogue" | "broken" = "content";
  let inPart = false;
  let parts = 0;

  function take(data: Buffer, events: FormEvent[]): number {
    let at = 0;
    const content = (end: number) => {
      if (inPart && end > at) events.push({ kind: "content", bytes: data.subarray(at, end) });
      at = end;
    };
    for (;;) {
      if (state === "epilogue") return data.length;
      if (state === "broken") return at;
      if (state === "content") {
        const found = data.indexOf(delimiter, at);
        if (found === -1) {
          content(data.length - partialDelimiter(data, at, delimiter));
          return at;
        }
        const after = found + delimiter.length;
        const [next, second] = [data[after], data[after + 1]];
        if (next === undefined || (next === DASH && second === undefined)) {
          content(found);
          return at;
        }
        const ends = next === SPACE || next === TAB || next === CR || next === LF || (next === DASH && second === DASH);
        content(ends ? found : after);
        if (!ends) continue;
        if (inPart) events.push({ kind: "partEnd" });
        inPart = false;
        at = after;
        state = "line";
      }
      if (state === "line") {
        if (data[at] === DASH) {
          state = "epilogue";
          continue;
        }
        const end = data.indexOf("\r\n", at);
        const padding = data.subarray(at, end === -1 ? data.length : end);
        const clean = padding.every(
          (byte, n) => byte === SPACE || byte === TAB || (byte === CR && n === padding.length - 1),
        );
        if (!clean || padding.length > LONGEST_LINE) state = "broken";
        if (state === "broken" || end === -1) return at;
        at = end;
        state = "headers";
      }
      if (state === "headers") {
        // Searched from the line's own end, so that a part without headers is found alike.
        const end = data.indexOf("\r\n\r\n", at);
        if (end - at > LONGEST_HEAD || (end === -1 && data.length - at > LONGEST_HEAD)) state = "broken";
        if (state === "broken" || end === -1) return at;
        const headers = parseHeaders(data.toString("latin1", Math.min(at + 2, end), end));
        if (!headers || ++parts > MOST_PARTS) {
          state = "broken";
          return at;
        }
        events.push({ kind: "part", headers });
        inPart = true;
        at = end + 4;
        state = "content";
      }
    }
  }

  return {
    push(chunk) {
      const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const data = held.length === 0 ? fresh : Buffer.concat([held, fresh]);
      const events: FormEvent[] = [];
      const taken = take(data, events);
      held = Buffer.from(data.subarray(taken));
      return state === "broken" ? null : events;
    },
    get complete() {
      return state === "epilogue";
    },
  };
}
