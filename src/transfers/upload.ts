import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { drain } from "../http/drain.ts";
import { contentLength } from "../http/range.ts";
import type { UploadCall } from "./upload-call.ts";
import { uploadForm } from "./upload-form.ts";
import { uploadRaw } from "./upload-raw.ts";

/**
 * Takes one backup in and sends it on while it arrives, never holding more than a few MiB: a form as PocketBase's SDKs
 * send it (`multipart`), or the bare file (`raw`). The server gets a clean request of our own making, and its last
 * boundary, without which it stores nothing, only when the whole came in and the door was passed once more.
 *
 * Fails with `encoding_refused`, `length_required`, `upload_file_missing`, `upload_not_zip`, `upload_second_file`,
 * `upload_broken`, `upload_cut`, what `check`, `reserve`, `confirm` and `settle` answer, or an `upstream_…` code.
 */
export async function upload<Stored>(call: UploadCall<Stored>): Promise<Result<Stored, Problem>> {
  const taken = await take(call);
  if (!taken.ok && !call.request.signal.aborted) await drain(call.request.body, call.clock, call.sleep);
  return taken;
}

async function take<Stored>(call: UploadCall<Stored>): Promise<Result<Stored, Problem>> {
  const { headers } = call.request;
  if (!/^(identity)?$/i.test(headers.get("Content-Encoding") ?? "")) return fail(problem("encoding_refused"));
  if (contentLength(headers) === null) return fail(problem("length_required"));
  return call.form === "raw" ? uploadRaw(call, call.name) : uploadForm(call);
}
