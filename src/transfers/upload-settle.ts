import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import type { UploadCall, UploadEnd } from "./upload-call.ts";

/** The server said that it stored it: then its store has as long to show it as a created backup has (`make-backup.ts`). */
const ANSWERED_MS = 20_000;
/** No answer of its own: it may still be storing. Of a Worker whose client has left, 30 s are all there is. */
const LOST_MS = 15_000;
/** Between two looks: S3 lists lag by moments, so the first comes soon. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
/** An object that was reset takes calls again after so long, in ms. */
const RESET_MS = 500;

/** How long, in ms, a file that the list does not show is looked for. */
function patience({ sent, problem: said, lost }: UploadEnd): number {
  if (sent === null) return 0;
  if (said === null) return ANSWERED_MS;
  return lost ? LOST_MS : 0;
}

/** Tells how the upload ended until it is known what became of it. Each time is one look, so that no RPC lasts long. */
export async function settle<Stored>(call: UploadCall<Stored>, end: UploadEnd): Promise<Result<Stored, Problem>> {
  const until = call.clock() + patience(end);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const left = until - call.clock();
    const settled = await told(call, end, left <= 0);
    if (settled.ok || settled.error.code !== "upload_unsettled" || left <= 0) return settled;
    await call.sleep(Math.min(pause, left));
  }
}

/** Once more when it was not heard: else the name would stay taken. */
async function told<Stored>(call: UploadCall<Stored>, end: UploadEnd, last: boolean): Promise<Result<Stored, Problem>> {
  try {
    return await call.settle(end, last);
  } catch {
    await call.sleep(RESET_MS);
    return call.settle(end, last).catch(() => fail(unheard(end)));
  }
}

const unheard = ({ sent, problem: said }: UploadEnd): Problem =>
  sent === null ? (said ?? problem("upload_interrupted")) : problem("upload_unsettled");
