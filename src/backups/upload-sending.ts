import { utf8 } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import { type Random, randomBase62 } from "../base/random.ts";
import { within } from "../base/sleep.ts";
import type { UpstreamAccess, UpstreamResult } from "../upstream/backups-api.ts";
import { sendUpload } from "../upstream/transfer.ts";
import type { UploadCall } from "./upload-call.ts";

/**
 * From the last byte to the answer, in ms: PocketBase copies the file to its store and has five minutes for the whole, and
 * callers such as Node's fetch wait no longer.
 */
const ANSWER_MS = 290_000;

/** A server that refuses in mid-body closes the way in first; its words follow within this time, in ms, or not at all. */
const LAST_WORDS_MS = 1_000;

/** One upload on its way to the server. */
export type Sending = {
  /** False when the server takes no more: it answered, was lost, or the client left. Then only `abandon` is left. */
  send(bytes: Uint8Array): Promise<boolean>;
  /** Lets the runtime pass a whole stream on. False as above, and when the stream itself broke. */
  pipe(body: ReadableStream<Uint8Array>): Promise<boolean>;
  /** Whether the last boundary is still of use: the server waits for it and the client for the answer. */
  open(): boolean;
  /** Sends the last boundary and waits for the answer: null, or what the server said instead of 204. */
  finish(): Promise<Problem | null>;
  /** Drops the connection, so that the server stores nothing. What the server had said by then, null without an answer. */
  abandon(): Promise<Problem | null>;
};

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
function meant(answer: UpstreamResult<null>, { begun, whole }: { begun: boolean; whole: boolean }): Problem | null {
  if (answer.ok) return whole ? null : problem("upload_cut");
  const said = answer.error.problem;
  const blank = said.data?.file?.code === "validation_required";
  const cut = said.code === "upstream_invalid" || (begun && said.code === "upstream_unreachable");
  return blank || (!whole && cut) ? problem("upload_cut") : said;
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
  const answered = sendUpload(call.fetch, access, request).then((answer): Problem | null => {
    const said = meant(answer, { begun, whole });
    if (whole) return said;
    if (!connection.signal.aborted) early = said;
    stop.abort();
    return said;
  });
  const send = (bytes: Uint8Array) =>
    writer.write(bytes).then(
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
    send: async (bytes) => (await opened) && send(bytes),
    async pipe(source) {
      if (!(await opened)) return false;
      writer.releaseLock();
      const options = { preventClose: true, preventAbort: true, preventCancel: true, signal: stop.signal };
      const passed = await source.pipeTo(body.writable, options).then(
        () => !stop.signal.aborted,
        () => false,
      );
      writer = body.writable.getWriter();
      // The runtime does not tell which side broke.
      lost = !passed;
      return passed;
    },
    open: () => !stop.signal.aborted,
    async finish() {
      whole = true;
      await send(tail);
      await writer.close().catch(() => {});
      const answer = await within(ANSWER_MS, answered, call.sleep);
      connection.abort();
      return answer.met ? answer.value : problem("upstream_timeout");
    },
    async abandon() {
      if (lost) await within(LAST_WORDS_MS, answered, call.sleep);
      stop.abort();
      await answered;
      return early;
    },
  };
}
