import { type Content, streamOf } from "./content.ts";
import { ConnectionCut, type Strikes } from "./faults.ts";
import type { Replies } from "./reply.ts";
import type { Stored } from "./world.ts";

type Span = { start: number; length: number };
type Wanted = Span[] | "whole" | "malformed" | "beyond";

/** Go's parseRange (net/http/fs.go). */
export function rangesOf(header: string | null, size: number): Wanted {
  if (header === null || header === "") return "whole";
  if (!header.startsWith("bytes=")) return "malformed";
  const spans: Span[] = [];
  let beyond = false;
  for (const part of header.slice(6).split(",")) {
    const text = part.trim();
    if (text === "") continue;
    const [from, to] = /^(\d*)\s*-\s*(\d*)$/.exec(text)?.slice(1) ?? [];
    if (from === undefined || to === undefined || (from === "" && to === "")) return "malformed";
    if (from === "") {
      const length = Math.min(Number(to), size);
      spans.push({ start: size - length, length });
    } else if (Number(from) >= size) {
      beyond = true;
    } else {
      const end = to === "" ? size - 1 : Math.min(Number(to), size - 1);
      if (to !== "" && Number(to) < Number(from)) return "malformed";
      spans.push({ start: Number(from), length: end - Number(from) + 1 });
    }
  }
  if (spans.length === 0) return beyond ? "beyond" : "whole";
  return spans.reduce((sum, span) => sum + span.length, 0) > size ? "whole" : spans;
}

const seconds = (at: number): number => Math.floor(at / 1000) * 1000;

function condition(headers: Headers, modified: number): 304 | 412 | null {
  const match = headers.get("If-Match");
  const unmodified = Date.parse(headers.get("If-Unmodified-Since") ?? "");
  if (match !== null ? match !== "*" : unmodified < seconds(modified)) return 412;
  const noneMatch = headers.get("If-None-Match");
  const since = Date.parse(headers.get("If-Modified-Since") ?? "");
  if (noneMatch !== null ? noneMatch === "*" : seconds(modified) <= since) return 304;
  return null;
}

/** The body as the faults leave it: cut short, at a trickle. */
export function spoiled(body: ReadableStream<Uint8Array>, strikes: Strikes): ReadableStream<Uint8Array> {
  let stream = body;
  const { trickle, cutAt } = strikes;
  if (trickle) {
    const pieces = new TransformStream<Uint8Array, Uint8Array>({
      async transform(piece, controller) {
        for (let at = 0; at < piece.length; at += trickle.bytes) {
          controller.enqueue(piece.subarray(at, at + trickle.bytes));
          await new Promise((resolve) => setTimeout(resolve, trickle.everyMs));
        }
      },
    });
    stream = stream.pipeThrough(pieces);
  }
  if (!cutAt) return stream;
  const reader = stream.getReader();
  let left = cutAt.bytes;
  const stop = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    void reader.cancel();
    if (cutAt.how === "reset") controller.error(new ConnectionCut());
    else controller.close();
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (left === 0) return stop(controller);
      const { done, value } = await reader.read();
      if (done) return controller.close();
      controller.enqueue(value.subarray(0, left));
      // An error would throw away what is queued: it comes with the next pull.
      left -= Math.min(left, value.length);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function multipart(
  content: Content,
  spans: Span[],
  type: string,
): { boundary: string; length: number; body: ReadableStream<Uint8Array> } {
  const boundary = [...crypto.getRandomValues(new Uint8Array(30))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  const heads = spans.map(({ start, length }, index) =>
    new TextEncoder().encode(
      `${index ? "\r\n" : ""}--${boundary}\r\nContent-Range: bytes ${start}-${start + length - 1}/${content.size}\r\nContent-Type: ${type}\r\n\r\n`,
    ),
  );
  const tail = new TextEncoder().encode(`\r\n--${boundary}--\r\n`);
  const length = spans.reduce((sum, span, index) => sum + span.length + heads[index]!.length, tail.length);
  const parts = (async function* () {
    for (const [index, { start, length }] of spans.entries()) {
      yield heads[index]!;
      yield* streamOf(content, start, start + length) as unknown as AsyncIterable<Uint8Array>;
    }
    yield tail;
  })();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
  return { boundary, length, body };
}

/** Answers a GET or HEAD of one stored backup as Go's ServeContent does, with the faults that strike it. */
export function serve(request: Request, key: string, stored: Stored, replies: Replies, strikes: Strikes): Response {
  const { content, type, modified } = stored;
  const headers = replies.base();
  const base = key.replace(/^.*\//, "");
  const quoted = base.replace(/[\\"]/g, "\\$&");
  // Header text is bytes: names travel as raw UTF-8.
  const name = String.fromCharCode(...new TextEncoder().encode(replies.version === "0.40.6" ? `"${quoted}"` : base));
  headers.set("Content-Disposition", `attachment; filename=${name}`);
  headers.set("Content-Security-Policy", "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox");
  const wanted =
    strikes.ignoreRange || !rangeCounts(request.headers, modified)
      ? "whole"
      : rangesOf(request.headers.get("Range"), content.size);
  const state = condition(request.headers, modified);
  if (state === null && (wanted === "malformed" || wanted === "beyond")) {
    headers.set("Content-Type", "text/plain; charset=utf-8");
    if (wanted === "beyond") headers.set("Content-Range", `bytes */${content.size}`);
    return new Response(wanted === "beyond" ? "invalid range: failed to overlap\n" : "invalid range\n", {
      status: 416,
      headers,
    });
  }
  headers.set("Cache-Control", "max-age=2592000, stale-while-revalidate=86400");
  headers.set("Last-Modified", new Date(seconds(modified)).toUTCString());
  if (state === 304) return new Response(null, { status: 304, headers });
  headers.set("Accept-Ranges", "bytes");
  headers.set("Content-Type", type);
  if (state === 412) {
    headers.set("Content-Length", "0");
    return new Response(null, { status: 412, headers });
  }
  let status = 200;
  let length = content.size;
  let body: ReadableStream<Uint8Array>;
  const by = strikes.wrongRange?.by ?? 0;
  if (wanted === "whole") body = streamOf(content, 0, content.size);
  else if (Array.isArray(wanted) && wanted.length === 1) {
    const start = Math.max(0, wanted[0]!.start + by);
    length = Math.min(wanted[0]!.length, content.size - start);
    status = 206;
    headers.set("Content-Range", `bytes ${start}-${start + length - 1}/${content.size}`);
    body = streamOf(content, start, start + length);
  } else {
    const parts = multipart(content, wanted as Span[], type);
    status = 206;
    length = parts.length;
    headers.set("Content-Type", `multipart/byteranges; boundary=${parts.boundary}`);
    body = parts.body;
  }
  headers.set("Content-Length", String(length + (strikes.wrongLength?.by ?? 0)));
  if (request.method === "HEAD") {
    void body.cancel();
    return new Response(null, { status, headers });
  }
  if (strikes.gzip) {
    headers.delete("Content-Length");
    headers.set("Content-Encoding", "gzip");
    body = body.pipeThrough(new CompressionStream("gzip") as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
  }
  return new Response(spoiled(body, strikes), { status, headers });
}

/** `If-Range` counts only as the exact date: there are no entity tags. */
function rangeCounts(headers: Headers, modified: number): boolean {
  const given = headers.get("If-Range");
  return given === null || Date.parse(given) === seconds(modified);
}
