import type { Problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { chunksOf } from "../http/chunks.ts";
import { contentLength } from "../http/range.ts";
import type { FileSink, IncomingFile, UploadCall } from "./upload-call.ts";
import { broken, checkName, isZip, notZip } from "./upload-refusal.ts";

/** The first four bytes; fewer when the body has no more, null when it breaks. */
async function startOf(body: ReadableStream<Uint8Array>): Promise<Uint8Array | null> {
  const reader = body.getReader({ mode: "byob" });
  try {
    return (await reader.readAtLeast(4, new Uint8Array(4))).value ?? new Uint8Array(0);
  } catch {
    return null;
  } finally {
    reader.releaseLock();
  }
}

/**
 * The whole body is the file (`curl -T`), so its size is known. Where CPU time is limited the runtime pipes what follows
 * the first four bytes; elsewhere it is sent chunk by chunk, which is faster and shows whether anything moves.
 */
export async function rawFile(call: UploadCall<unknown>, name: string): Promise<Result<IncomingFile, Problem>> {
  const checked = checkName(call, name);
  if (!checked.ok) return checked;
  const size = contentLength(call.request.headers) ?? 0;
  const { body } = call.request;
  if (size === 0 || body === null) return fail(notZip(name));
  const start = await startOf(body);
  if (start === null) return fail(broken());
  if (!isZip(start)) return fail(notZip(name));
  const sendTo = async (server: FileSink): Promise<Result<number, Problem>> => {
    const complete = call.metered
      ? (await server.send(start)) && (await server.pipe(body))
      : (await pump(call, body, server, start)) === size;
    return complete ? ok(size) : fail(broken());
  };
  return ok({ name, size, sendTo, release: () => {} });
}

/** Sends the file chunk by chunk; the bytes sent, null when the body breaks or the server takes no more. */
async function pump(
  call: UploadCall<unknown>,
  body: ReadableStream<Uint8Array>,
  server: FileSink,
  start: Uint8Array,
): Promise<number | null> {
  const source = chunksOf(body, call.clock, call.sleep);
  let bytes = start.length;
  try {
    for (let taken = await server.send(start); taken; ) {
      const chunk = await source.next();
      if (chunk === "end") return bytes;
      if (chunk === "broken") return null;
      bytes += chunk.length;
      taken = await server.send(chunk);
    }
    return null;
  } finally {
    source.release();
  }
}
