import { Buffer } from "node:buffer";
import { type PartHeaders, readPartHeaders } from "./part-headers.ts";

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

/** Go's limits for parts and for a line around a boundary. */
const MOST_PARTS = 1000;
const LONGEST_LINE = 4096;
/** Go allows megabytes; the lines of one part are held in memory. */
const LONGEST_HEAD = 16 * 1024;

const [TAB, LF, CR, SPACE, DASH] = [9, 10, 13, 32, 45];

/** How many of the last bytes could be the beginning of `delimiter`. */
function partialDelimiter(bytes: Buffer, from: number, delimiter: Buffer): number {
  const first = delimiter[0]!;
  const earliest = Math.max(from, bytes.length - delimiter.length + 1);
  for (let at = bytes.indexOf(first, earliest); at !== -1; at = bytes.indexOf(first, at + 1))
    if (bytes.compare(delimiter, 0, bytes.length - at, at) === 0) return bytes.length - at;
  return 0;
}

/** What follows a boundary makes it one: `--`, a space, a tab or the line's end. Null when that has not come yet. */
function endsBoundary(data: Buffer, after: number): boolean | null {
  const [next, second] = [data[after], data[after + 1]];
  if (next === undefined || (next === DASH && second === undefined)) return null;
  return next === SPACE || next === TAB || next === CR || next === LF || (next === DASH && second === DASH);
}

/** The lines of a part's headers and where the empty line after them ends; null when that has not come yet. */
function headLines(data: Buffer, from: number): { lines: string[]; end: number } | null {
  const lines: string[] = [];
  for (let at = from; ; ) {
    const end = data.indexOf(LF, at);
    if (end === -1) return null;
    const line = data.toString("latin1", at, end > at && data[end - 1] === CR ? end - 1 : end);
    at = end + 1;
    if (line === "") return { lines, end: at };
    lines.push(line);
  }
}

/**
 * Takes a `multipart/form-data` body apart as it streams by (RFC 2046 §5.1.1, RFC 7578), however it is cut into pieces, by
 * the rules of the server's reader (Go `mime/multipart`): bytes that merely look like the boundary stay content; lines end
 * in CRLF, or in LF when the first boundary's does; headers end in either. No more than a line around a boundary or one
 * part's headers is held back.
 */
export function formParser(boundary: string): FormParser {
  const dashed = Buffer.from(`--${boundary}`, "latin1");
  let lineEnd = "\r\n";
  let delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  let held = Buffer.alloc(0);
  let state: "preamble" | "headers" | "start" | "content" | "line" | "epilogue" | "broken" = "preamble";
  let parts = 0;

  /** What a line that begins with the boundary is; `other` for every other one. */
  function kindOf(line: string): "part" | "last" | "other" {
    if (!line.startsWith(dashed.toString("latin1"))) return "other";
    const rest = line.slice(dashed.length);
    const [last, end] = [rest.startsWith("--"), rest.replace(/^(?:--)?[ \t]*/, "")];
    if (last) return end === "" || end === lineEnd ? "last" : "other";
    if (state === "preamble" && end === "\n") {
      lineEnd = "\n";
      delimiter = delimiter.subarray(1);
    }
    return end === lineEnd ? "part" : "other";
  }

  /** One line before or after a part. The position after it, or null when it has not come whole. */
  function takeLine(data: Buffer, at: number): number | null {
    const end = data.indexOf(LF, at) + 1;
    if ((end === 0 ? data.length : end) - at > LONGEST_LINE) state = "broken";
    if (state === "broken" || end === 0) return null;
    const kind = kindOf(data.toString("latin1", at, end));
    if (kind === "part") state = "headers";
    else if (kind === "last") state = "epilogue";
    else if (state === "line") state = "broken";
    return end;
  }

  function takeHeaders(data: Buffer, at: number, events: FormEvent[]): number | null {
    const found = headLines(data, at);
    if ((found?.end ?? data.length) - at > LONGEST_HEAD) state = "broken";
    if (state === "broken" || !found) return null;
    const headers = readPartHeaders(found.lines);
    state = headers && ++parts <= MOST_PARTS ? "start" : "broken";
    if (headers) events.push({ kind: "part", headers });
    return found.end;
  }

  /** Content up to the next boundary or as far as it has come; `start` is where a boundary needs no line's end before it. */
  function takeContent(data: Buffer, at: number, events: FormEvent[]): number | null {
    const content = (end: number) => {
      if (end > at) events.push({ kind: "content", bytes: data.subarray(at, end) });
      if (end > at) state = "content";
      return end;
    };
    if (
      state === "start" &&
      data.length - at < dashed.length &&
      partialDelimiter(data, at, dashed) === data.length - at
    )
      return null;
    const bare = state === "start" && dashed.compare(data, at, Math.min(at + dashed.length, data.length)) === 0;
    const found = bare ? at : data.indexOf(delimiter, at);
    if (found === -1) {
      const end = content(data.length - partialDelimiter(data, at, delimiter));
      return end > at ? end : null;
    }
    const after = found + (bare ? dashed.length : delimiter.length);
    const ends = endsBoundary(data, after);
    if (ends === false) return content(after);
    if (ends === null) return found > at ? content(found) : null;
    content(found);
    events.push({ kind: "partEnd" });
    state = "line";
    return after - dashed.length;
  }

  function take(data: Buffer, events: FormEvent[]): number {
    for (let at = 0; ; ) {
      if (state === "epilogue") return data.length;
      if (state === "broken") return at;
      let next: number | null;
      if (state === "headers") next = takeHeaders(data, at, events);
      else if (state === "start" || state === "content") next = takeContent(data, at, events);
      else next = takeLine(data, at);
      if (next === null) return at;
      at = next;
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
      // The last line needs no end.
      return state === "epilogue" || (/^(?:preamble|line)$/.test(state) && kindOf(held.toString("latin1")) === "last");
    },
  };
}
