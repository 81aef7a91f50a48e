import { utf8 } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import { type Random, randomBase62 } from "../base/random.ts";
import { within } from "../base/sleep.ts";
import { stallWatch } from "../http/stall-watch.ts";
import type { UpstreamAccess, UpstreamResult } from "../upstream/backups-api.ts";
import { sendUpload } from "../upstream/transfer.ts";
import type { FileSink, UploadCall, UploadEnd } from "./upload-call.ts";

/**
 * Longest wait from the last byte to the answer, in ms: PocketBase copies the file to its store and has five minutes for the
 * whole. Callers such as Node's fetch wait no longer than that, and the looks that follow a lost answer take some of it.
 */
const ANSWER_MS = 275_000;

/** A server that refuses in mid-body closes the connection first; its answer follows within this time, in ms, or not at all. */
const EARLY_ANSWER_MS = 1_000;

/** Longest time for a piped body, in ms: piping shows no progress, and the server gives a whole request five minutes. */
const PIPED_MS = 330_000;

/** Bytes written at once: so few that even a slow server takes them before it counts as stalled. */
const WRITE_BYTES = 256 * 1024;

/** One upload on its way to the server. After `send` or `pipe` has returned false only `abandon` makes sense. */
export type UploadRequest = FileSink & {
  /** Whether the last boundary is still of use: the server waits for it and the client for the answer. */
  open(): boolean;
  /** Sends the last boundary and waits for the answer. */
  finish(): Promise<Answered>;
  /** Closes the connection, so that the server stores nothing. The problem the server answered by then, null for none. */
  abandon(): Promise<Problem | null>;
};

type Answered = Pick<UploadEnd, "problem" | "lost">;

/** Go's `quoteEscaper`: the two characters that a quoted file name cannot hold as they are. */
const quoted = (name: string): string => name.replace(/["\\]/g, "\\$&");

/** The form around the file: a boundary nobody can guess, one part with our two headers (SECURITY 13). */
function frame(name: string, random: Random): { type: string; head: Uint8Array; tail: Uint8Array } {
  const boundary = `relay-${randomBase62(random, 40)}`;
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    head: utf8(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted(name)}"\r\n` +
        "Content-Type: application/zip\r\n\r\n",
    ),
    tail: utf8(`\r\n--${boundary}--\r\n`),
  };
}

/**
 * What the server's answer means, `begun` when it took the beginning of the body and `whole` when it was sent all of it.
 * "Cannot be blank." is PocketBase's answer, if it answers, when its five minutes ended before the body did. Before the end
 * of the body an answer that is not PocketBase's own, and a connection that closed after the beginning, mean only that the
 * server read no further.
 */
function classifyAnswer(answer: UpstreamResult<null>, { begun, whole }: { begun: boolean; whole: boolean }): Answered {
  if (answer.ok) return { problem: whole ? null : problem("upload_cut"), lost: false };
  const refusal = answer.error.problem;
  const blank = refusal.data?.file?.code === "validation_required";
  const closed = refusal.code === "upstream_invalid" || (begun && refusal.code === "upstream_unreachable");
  if (blank || (!whole && closed)) return { problem: problem("upload_cut"), lost: false };
  // `upload_failed` is PocketBase's own answer when its store failed, so nothing was lost, though the file may be there.
  return { problem: refusal, lost: whole && answer.error.unclear && refusal.code !== "upload_failed" };
}

/**
 * Starts an upload under `name`, which must hold no control character. With a `size` the request has a `Content-Length`,
 * else it is chunked, which the server takes as well.
 */
export function startRequest(
  call: Pick<UploadCall<unknown>, "fetch" | "sleep" | "random" | "request">,
  access: UpstreamAccess,
  name: string,
  size: number | null,
): UploadRequest {
  const { type, head, tail } = frame(name, call.random);
  const body = size === null ? new IdentityTransformStream() : new FixedLengthStream(head.length + size + tail.length);
  let writer: WritableStreamDefaultWriter<Uint8Array> = body.writable.getWriter();
  const connection = new AbortController();
  const stop = new AbortController();
  stop.signal.addEventListener("abort", () => {
    // The connection is closed first: if the body ended first, the runtime would send a proper last chunk.
    connection.abort();
    void writer.abort(new Error("upload abandoned")).catch(() => {});
  });
  call.request.signal.addEventListener("abort", () => stop.abort());
  if (call.request.signal.aborted) stop.abort();

  let begun = false;
  let whole = false;
  /** A write failed: the server closed the connection, and may still answer. */
  let closed = false;
  /** What the server answered before it was sent the whole body, or that it stopped reading. */
  let early: Problem | null = null;
  const request = { contentType: type, body: body.readable, signal: connection.signal };
  const answered = sendUpload(call.fetch, access, request).then((answer): Answered => {
    const end = classifyAnswer(answer, { begun, whole });
    if (whole) return end;
    if (!connection.signal.aborted) early = end.problem;
    stop.abort();
    return end;
  });
  const timedOut = () => {
    early = problem("upstream_timeout");
    stop.abort();
  };
  const watch = stallWatch(call.sleep, connection.signal, timedOut);
  const write = (bytes: Uint8Array) => {
    watch.begin();
    return writer
      .write(bytes)
      .finally(watch.end)
      .then(
        () => !stop.signal.aborted,
        () => {
          closed = true;
          return false;
        },
      );
  };
  const started = write(head).then((taken) => {
    begun = taken;
    return taken;
  });

  return {
    async send(bytes) {
      let taken = await started;
      for (let at = 0; taken && at < bytes.length; at += WRITE_BYTES)
        taken = await write(bytes.subarray(at, at + WRITE_BYTES));
      return taken;
    },
    async pipe(source) {
      if (!(await started)) return false;
      writer.releaseLock();
      const options = { preventClose: true, preventAbort: true, preventCancel: true, signal: stop.signal };
      const piped = source.pipeTo(body.writable, options).then(
        () => !stop.signal.aborted,
        () => false,
      );
      const passed = await within(PIPED_MS, piped, call.sleep);
      if (!passed.met) timedOut();
      const taken = await piped;
      writer = body.writable.getWriter();
      // The runtime does not report which side broke, so an answer is waited for.
      closed = !taken;
      return taken;
    },
    open: () => !stop.signal.aborted,
    async finish() {
      whole = true;
      void write(tail).then(() => writer.close().catch(() => {}));
      const answer = await within(ANSWER_MS, answered, call.sleep);
      connection.abort();
      return answer.met ? answer.value : { problem: problem("upstream_timeout"), lost: true };
    },
    async abandon() {
      if (closed) await within(EARLY_ANSWER_MS, answered, call.sleep);
      stop.abort();
      await answered;
      return early;
    },
  };
}
