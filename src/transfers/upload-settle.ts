import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import type { UploadCall, UploadEnd } from "./upload-call.ts";

/** How long a file that the server says it stored is looked for, in ms: as long as a created backup (`make-backup.ts`). */
const STORED_MS = 20_000;
/** The same when no answer came: the server may still be storing. A Worker whose client has left runs for 30 s at most. */
const LOST_MS = 15_000;
/** Between two looks: S3 lists lag by moments, so the first wait is short. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
/** An object that was reset takes calls again after this time, in ms. */
const RESET_MS = 500;

/** How long a file that the list does not show is looked for, in ms. */
function searchTime({ sent, problem: reported, lost }: UploadEnd): number {
  if (sent === null) return 0;
  if (reported === null) return STORED_MS;
  return lost ? LOST_MS : 0;
}

/** Calls `settle` until it is known what became of the upload. Each call is one look at the list, so no RPC takes long. */
export async function settle<Stored>(call: UploadCall<Stored>, end: UploadEnd): Promise<Result<Stored, Problem>> {
  const until = call.clock() + searchTime(end);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const left = until - call.clock();
    const settled = await look(call, end, left <= 0);
    if (settled.ok || settled.error.code !== "upload_unsettled" || left <= 0) return settled;
    await call.sleep(Math.min(pause, left));
  }
}

/** One call of `settle`, repeated once when it throws: otherwise the name would stay reserved. */
async function look<Stored>(call: UploadCall<Stored>, end: UploadEnd, last: boolean): Promise<Result<Stored, Problem>> {
  try {
    return await call.settle(end, last);
  } catch {
    await call.sleep(RESET_MS);
    return call.settle(end, last).catch(() => fail(unknownEnd(end)));
  }
}

const unknownEnd = ({ sent, problem: reported }: UploadEnd): Problem =>
  sent === null ? (reported ?? problem("upload_interrupted")) : problem("upload_unsettled");
