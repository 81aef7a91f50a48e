import { lengthOf } from "../http/range.ts";
import type { DownloadCall, TransferEnd } from "./download-call.ts";
import { type Begun, healedChunks } from "./download-healed.ts";
import { pipeSegments } from "./download-segments.ts";

/** Never more exact: the runtime may print it. */
const brokenOff = () => new Error("transfer broken off");

/** Pieces piped by the runtime into a stream that knows its length. */
function pipedBody(call: DownloadCall, { piece, window, date }: Begun, gone: AbortController): ReadableStream {
  const { readable, writable } = new FixedLengthStream(lengthOf(window));
  const work = async () => {
    const end = await pipeSegments(call, piece, window, date, writable, gone.signal);
    if (end.outcome === "complete") await writable.close().catch(() => {});
    else await writable.abort(brokenOff()).catch(() => {});
    gone.abort();
    call.onEnd(end);
  };
  call.background(work());
  return readable;
}

/**
 * Chunks given to the runtime one by one, each when it has passed on the one before. It sends each at once, where
 * anything written into a `FixedLengthStream` is copied and sent in sixteenths.
 */
function pumpedBody(call: DownloadCall, begun: Begun, gone: AbortController): ReadableStream {
  const chunks = healedChunks(call, begun, gone.signal);
  let over = () => {};
  let told = false;
  const tell = (end: TransferEnd) => {
    if (told) return;
    told = true;
    gone.abort();
    call.onEnd(end);
    over();
  };
  call.background(
    new Promise<void>((resolve) => {
      over = resolve;
    }),
  );
  gone.signal.addEventListener("abort", () => tell({ bytes: chunks.given(), outcome: "client_gone" }));
  if (gone.signal.aborted) tell({ bytes: 0, outcome: "client_gone" });
  return new ReadableStream<Uint8Array>(
    {
      expectedLength: lengthOf(begun.window),
      async pull(controller) {
        const next = await chunks.next();
        if (next.chunk) controller.enqueue(next.chunk);
        if (next.end === null) return;
        tell(next.end);
        if (next.end.outcome === "complete") controller.close();
        else controller.error(brokenOff());
      },
      cancel: () => gone.abort(),
    },
    { highWaterMark: 0 },
  );
}

/**
 * A body of exactly the window's length, filled as the call's healing says. When it cannot be filled it errors: the
 * runtime then closes the client's connection short of the announced `Content-Length`, which no client takes for whole.
 */
export const filledBody = (call: DownloadCall, begun: Begun, gone: AbortController): ReadableStream<Uint8Array> =>
  call.healing === "segments" ? pipedBody(call, begun, gone) : pumpedBody(call, begun, gone);
