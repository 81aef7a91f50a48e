import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { chunksOf } from "../http/chunks.ts";
import { contentLength } from "../http/range.ts";
import type { UploadCall } from "./upload-call.ts";
import { askObject, conclude, giveUp } from "./upload-end.ts";
import { broken, checkName, isZip, notZip } from "./upload-refusal.ts";
import { type Sending, startSending } from "./upload-sending.ts";

/** The first four bytes; fewer where the body has no more, null where it breaks. */
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
 * The whole body is the file (`curl -T`): its length is known, so the server is told one. Where CPU time is limited the
 * runtime passes on what follows the first four bytes; elsewhere it goes chunk by chunk, which is faster and shows whether
 * anything moves.
 */
export async function uploadRaw<Stored>(call: UploadCall<Stored>, name: string): Promise<Result<Stored, Problem>> {
  const checked = checkName(call, name);
  if (!checked.ok) return checked;
  const size = contentLength(call.request.headers) ?? 0;
  const { body } = call.request;
  if (size === 0 || body === null) return fail(notZip(name));
  const start = await startOf(body);
  if (start === null) return fail(broken());
  if (!isZip(start)) return fail(notZip(name));

  const reserved = await askObject(() => call.reserve(name, size));
  if (!reserved.ok) return reserved;
  const sending = startSending(call, reserved.value.access, name, size);
  const refused = await (call.metered ? pipe(body, sending, start) : pump(call, body, sending, start, size)).catch(() =>
    problem("internal"),
  );
  return refused ? giveUp(call, sending, refused) : conclude(call, sending, size);
}

const pipe = async (body: ReadableStream<Uint8Array>, sending: Sending, start: Uint8Array): Promise<Problem | null> =>
  (await sending.send(start)) && (await sending.pipe(body)) ? null : broken();

async function pump(
  call: UploadCall<unknown>,
  body: ReadableStream<Uint8Array>,
  sending: Sending,
  start: Uint8Array,
  size: number,
): Promise<Problem | null> {
  const source = chunksOf(body, call.clock, call.sleep);
  let bytes = start.length;
  try {
    for (let taken = await sending.send(start); taken; ) {
      const chunk = await source.next();
      if (chunk === "end") return bytes === size ? null : broken();
      if (chunk === "broken") return broken();
      bytes += chunk.length;
      taken = await sending.send(chunk);
    }
    return broken();
  } finally {
    source.release();
  }
}
