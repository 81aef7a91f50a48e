import { lengthOf } from "../http/range.ts";
import { type DownloadCall, isPumped, type TransferEnd } from "./download-call.ts";
import { type Begun, healedChunks } from "./download-healed.ts";
import { pieceLength, pipeSegments } from "./download-segments.ts";

/** Never more exact: the runtime may print it. */
const brokenOff = () => new Error("transfer broken off");

/** What nobody foresaw ends a transfer like anything else that does: visibly, and told. */
const internalFailure = (bytes: number): TransferEnd => ({ bytes, outcome: "failed", reason: "internal" });

/** Pieces piped by the runtime into a stream that knows its length. */
function pipedBody(call: DownloadCall, { piece, window, date }: Begun, gone: AbortController): ReadableStream {
  const { readable, writable } = new FixedLengthStream(lengthOf(window));
  const work = async () => {
    const end = await pipeSegments(call, piece, window, date, writable, gone.signal).catch(() => internalFailure(0));
    if (end.outcome === "complete") await writable.close().catch(() => {});
    else await writable.abort(brokenOff()).catch(() => {});
    gone.abort();
    call.onEnd(end);
  };
  call.background(work());
  return readable;
}

/** Of one chunk: beyond it memory grows and time does not fall any more. */
const LARGEST_CHUNK = 2 * 1024 * 1024;
/** For the chunks of all transfers that are pumped in this isolate: one alone gets large ones, many get small ones. */
const SHARED_BYTES = 8 * 1024 * 1024;
let pumping = 0;

/**
 * Chunks given to the runtime one by one, when it asks for them. It sends each with one call, where whatever is written
 * into a `FixedLengthStream` is sent in pieces of 64 KiB.
 */
function pumpedBody(call: DownloadCall, begun: Begun, gone: AbortController): ReadableStream {
  const length = lengthOf(begun.window);
  const step = call.healing === "segments" ? pieceLength(length) : length;
  // They get smaller towards the end: the runtime asks ahead, and when it asks for what follows the last one nearly
  // everything has been sent. Only then is the transfer called complete.
  const room = () => Math.min(LARGEST_CHUNK, SHARED_BYTES / pumping, (length - chunks.given()) / 4);
  const chunks = healedChunks(call, begun, step, gone.signal, room);
  const over = Promise.withResolvers<void>();
  call.background(over.promise);
  pumping++;
  const tell = (end: TransferEnd) => {
    pumping--;
    gone.signal.removeEventListener("abort", left);
    gone.abort();
    call.onEnd(end);
    over.resolve();
  };
  const left = () => tell({ bytes: chunks.given(), outcome: "client_gone" });
  if (gone.signal.aborted) left();
  else gone.signal.addEventListener("abort", left);
  let lent: Uint8Array<ArrayBuffer> | null = null;
  return new ReadableStream<Uint8Array>(
    {
      expectedLength: length,
      async pull(controller) {
        // The runtime has what it was given. Freed here, for until V8 collects it a large file's chunks would pile up.
        lent?.buffer.transfer(0);
        const next = await chunks.next().catch(() => internalFailure(chunks.given()));
        if (gone.signal.aborted) return controller.error(brokenOff());
        if (next instanceof Uint8Array) {
          lent = next;
          return controller.enqueue(next);
        }
        tell(next);
        if (next.outcome === "complete") controller.close();
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
  isPumped(call) ? pumpedBody(call, begun, gone) : pipedBody(call, begun, gone);
