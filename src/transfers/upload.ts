import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { isUnencoded } from "../http/body.ts";
import { discardBody } from "../http/discard.ts";
import { contentLength } from "../http/range.ts";
import type { UploadCall } from "./upload-call.ts";
import { fileInForm } from "./upload-form.ts";
import { rawFile } from "./upload-raw.ts";
import { broken } from "./upload-refusal.ts";
import { startRequest, type UploadRequest } from "./upload-request.ts";
import { settle } from "./upload-settle.ts";

/**
 * Takes in one backup and sends it on while it arrives, never holding more than a few MiB: a form as PocketBase's SDKs send
 * it (`multipart`), or the bare file (`raw`). The server gets a request that the relay frames itself. Its last boundary,
 * without which the server stores nothing, is sent only when the whole file has come in and `confirm` has agreed.
 *
 * Fails with `encoding_refused`, `length_required`, `upload_file_missing`, `upload_not_zip`, `upload_second_file`,
 * `upload_broken`, `upload_cut`, any problem of `check`, `reserve`, `confirm` and `settle`, or an `upstream_…` code.
 */
export async function upload<Stored>(call: UploadCall<Stored>): Promise<Result<Stored, Problem>> {
  const stored = await store(call);
  if (!stored.ok && !call.request.signal.aborted) await discardBody(call.request.body, call.clock, call.sleep);
  return stored;
}

async function store<Stored>(call: UploadCall<Stored>): Promise<Result<Stored, Problem>> {
  const { headers } = call.request;
  if (!isUnencoded(headers)) return fail(problem("encoding_refused"));
  if (contentLength(headers) === null) return fail(problem("length_required"));
  const found = await (call.form === "raw" ? rawFile(call, call.name) : fileInForm(call));
  if (!found.ok) return found;
  const file = found.value;
  const reserved = await askObject(() => call.reserve(file.name, file.size));
  if (!reserved.ok) {
    file.release();
    return reserved;
  }
  const request = startRequest(call, reserved.value.access, file.name, file.size);
  const sent = await file.sendTo(request).catch(() => fail(problem("internal")));
  file.release();
  return sent.ok ? conclude(call, request, sent.value) : giveUp(call, request, sent.error);
}

/** All of the file is with the server. What is left: the second check of rights, the last boundary, the answer, the list. */
async function conclude<Stored>(
  call: UploadCall<Stored>,
  request: UploadRequest,
  sent: number,
): Promise<Result<Stored, Problem>> {
  const confirmed = await askObject(() => call.confirm());
  if (!confirmed.ok) return giveUp(call, request, confirmed.error);
  if (!request.open()) return giveUp(call, request, broken());
  return settle(call, { sent, ...(await request.finish()) });
}

/** Ends the upload so that the server stores nothing. A refusal by the server itself counts for more than `problem`. */
async function giveUp<Stored>(
  call: UploadCall<Stored>,
  request: UploadRequest,
  problem: Problem,
): Promise<Result<Stored, Problem>> {
  const reported = (await request.abandon()) ?? problem;
  await settle(call, { sent: null, problem: reported, lost: false });
  return fail(reported);
}

/** A call to an object that throws counts as a refusal, which is safe while the last boundary has not been sent. */
async function askObject<T>(ask: () => Promise<Result<T, Problem>>): Promise<Result<T, Problem>> {
  try {
    return await ask();
  } catch {
    return fail(problem("upload_interrupted"));
  }
}
