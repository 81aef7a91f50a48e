import { utf8 } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import { type Random, randomBase62 } from "../base/random.ts";
import { within } from "../base/sleep.ts";
import type { UpstreamAccess, UpstreamResult } from "../upstream/backups-api.ts";
import { sendUpload } from "../upstream/transfer.ts";
import type { UploadCall, UploadEnd } from "./upload-call.ts";
import { stallWatch } from "./upload-stall.ts";

/**
 * From the last byte to the answer, in ms: PocketBase copies the file to its store and has five minutes for the whole, and
 * callers such as Node's fetch wait no longer.
 */
const ANSWER_MS = 290_000;

/** A server that refuses in mid-body closes the way in first; its words follow within this time, in ms, or not at all. */
const LAST_WORDS_MS = 1_000;

/** What is piped shows no progress: it has, in ms, the five minutes that the server gives a whole request, and some. */
const PIPED_MS = 330_000;

/** Bytes that are written at once: so small that even a slow server takes them before it counts as stalled. */
const PIECE = 256 * 1024;

/** One upload on its way to the server. */
export type Sending = {
  /**
   * False when the server takes no more: it answered, was lost, stopped reading, or the client left. Then only `abandon` is
   * left.
   */
  send(bytes: Uint8Array): Promise<boolean>;
  /** Has the runtime pass a whole stream on. False as above, when the stream itself broke, and after `PIPED_MS`. */
  pipe(body: ReadableStream<Uint8Array>): Promise<boolean>;
  /** Whether the last boundary is still of use: the server waits for it and the client for the answer. */
  open(): boolean;
  /** Sends the last boundary and waits for the answer. */
  finish(): Promise<Answered>;
  /** Drops the connection, so that the server stores nothing. What the server had said by then, null without an answer. */
  abandon(): Promise<Problem | null>;
};

type Answered = Pick<UploadEnd, "problem" | "lost">;

/** Go's `quoteEscaper`: the two characters that a quoted file name cannot hold as they are. */
const quoted = (name: string): string => name.replace(/["\\]/g, "\\$&");

/** The frame around the file: a boundary nobody can guess, one part with our two headers (SECURITY 13). */
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
 * What the server's answer means. "Cannot be blank." is what PocketBase says when its five minutes were over before the
 * end, if it says anything; an answer before the end that is none of its own, or was reset on the way, and a connection
 * that took the beginning and then closed, tell just that it read no further.
 */
function classifyAnswer(answer: UpstreamResult<null>, { begun, whole }: { begun: boolean; whole: boolean }): Answered {
  if (answer.ok) return { problem: whole ? null : problem("upload_cut"), lost: false };
  const said = answer.error.problem;
  const blank = said.data?.file?.code === "validation_required";
  const cut = said.code === "upstream_invalid" || (begun && said.code === "upstream_unreachable");
  if (blank || (!whole && cut)) return { problem: problem("upload_cut"), lost: false };
  // PocketBase's own words for a store that failed are an answer, though the file may be there.
  return { problem: said, lost: whole && answer.error.unclear && said.code !== "upload_failed" };
}

/**
 * Begins an upload under `name`, which must hold no control character. With a `size` the server is told a
 * `Content-Length`, else the body is chunked, which it takes as well.
 */
export function startSending(
  call: Pick<UploadCall<unknown>, "fetch" | "sleep" | "random" | "request">,
  access: UpstreamAccess,
  name: string,
  size: number | null,
): Sending {
  const { type, head, tail } = frame(name, call.random);
  const body = size === null ? new IdentityTransformStream() : new FixedLengthStream(head.length + size + tail.length);
  let writer: WritableStreamDefaultWriter<Uint8Array> = body.writable.getWriter();
  const connection = new AbortController();
  const stop = new AbortController();
  stop.signal.addEventListener("abort", () => {
    // First the connection: a body that merely ended would have its last chunk ended properly.
    connection.abort();
    void writer.abort(new Error("upload abandoned")).catch(() => {});
  });
  call.request.signal.addEventListener("abort", () => stop.abort());
  if (call.request.signal.aborted) stop.abort();

  let begun = false;
  let whole = false;
  let lost = false;
  let early: Problem | null = null;
  const request = { contentType: type, body: body.readable, signal: connection.signal };
  const answered = sendUpload(call.fetch, access, request).then((answer): Answered => {
    const said = classifyAnswer(answer, { begun, whole });
    if (whole) return said;
    if (!connection.signal.aborted) early = said.problem;
    stop.abort();
    return said;
  });
  const timedOut = () => {
    early = problem("upstream_timeout");
    stop.abort();
  };
  const watched = stallWatch(call.sleep, connection.signal, timedOut);
  const send = (bytes: Uint8Array) =>
    watched(writer.write(bytes)).then(
      () => !stop.signal.aborted,
      () => {
        lost = true;
        return false;
      },
    );
  const opened = send(head).then((taken) => {
    begun = taken;
    return taken;
  });

  return {
    async send(bytes) {
      let taken = await opened;
      for (let at = 0; taken && at < bytes.length; at += PIECE) taken = await send(bytes.subarray(at, at + PIECE));
      return taken;
    },
    async pipe(source) {
      if (!(await opened)) return false;
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
      // The runtime does not tell which side broke.
      lost = !taken;
      return taken;
    },
    open: () => !stop.signal.aborted,
    async finish() {
      whole = true;
      void send(tail).then(() => writer.close().catch(() => {}));
      const answer = await within(ANSWER_MS, answered, call.sleep);
      connection.abort();
      return answer.met ? answer.value : { problem: problem("upstream_timeout"), lost: true };
    },
    async abandon() {
      if (lost) await within(LAST_WORDS_MS, answered, call.sleep);
      stop.abort();
      await answered;
      return early;
    },
  };
}
