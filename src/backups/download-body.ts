import { lengthOf, type Window } from "../http/range.ts";
import type { DownloadCall, TransferEnd } from "./download-call.ts";
import { pumpHealed } from "./download-healed.ts";
import type { Piece } from "./download-piece.ts";
import { pipeSegments } from "./download-segments.ts";

/** The file version a transfer began with: its window and its `Last-Modified`, which every later piece must show. */
export type Begun = { piece: Piece; window: Window; date: string };

/** Never more exact: the runtime may print it. */
const brokenOff = () => new Error("transfer broken off");

async function run(
  call: DownloadCall,
  { piece, window, date }: Begun,
  writable: WritableStream<Uint8Array>,
  gone: AbortController,
): Promise<TransferEnd> {
  if (call.healing === "segments") return pipeSegments(call, piece, window, date, writable, gone.signal);
  const writer = writable.getWriter();
  // Rejected when the client leaves: what waits for the server then need not wait any longer.
  writer.closed.catch(() => gone.abort());
  gone.signal.addEventListener("abort", () => void writer.abort(brokenOff()).catch(() => {}));
  try {
    return await pumpHealed(call, piece, window, date, writer, gone.signal);
  } finally {
    writer.releaseLock();
  }
}

/**
 * A body of exactly the window's length, filled as the call's healing says. When it cannot be filled it errors: the
 * runtime then closes the client's connection short of the announced `Content-Length`, which no client takes for whole.
 */
export function filledBody(call: DownloadCall, begun: Begun, gone: AbortController): ReadableStream<Uint8Array> {
  const { readable, writable } = new FixedLengthStream(lengthOf(begun.window));
  const work = async () => {
    const end = await run(call, begun, writable, gone);
    if (end.outcome === "complete") await writable.close().catch(() => {});
    else await writable.abort(brokenOff()).catch(() => {});
    gone.abort();
    call.onEnd(end);
  };
  call.background(work());
  return readable;
}
