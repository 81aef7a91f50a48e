import type { Problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { contentLength } from "../http/range.ts";
import type { UploadCall } from "./upload-call.ts";
import { conclude, giveUp } from "./upload-end.ts";
import { broken, checkName, isZip, notZip } from "./upload-refusal.ts";
import { startSending } from "./upload-sending.ts";

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
 * The whole body is the file (`curl -T`): its length is known, so the server is told one, and after the first four bytes
 * the runtime passes the rest on by itself.
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

  const reserved = await call.reserve(name, size);
  if (!reserved.ok) return reserved;
  const sending = startSending(call, reserved.value.access, name, size);
  const passed = (await sending.send(start)) && (await sending.pipe(body));
  return passed ? conclude(call, sending, size) : giveUp(call, sending, broken());
}
