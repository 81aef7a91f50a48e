import { lengthOf } from "../http/range.ts";
import { type DownloadCall, isPumped, type TransferEnd } from "./download-call.ts";
import type { Begun } from "./download-first.ts";
import { healedChunks } from "./download-healed.ts";
import { laterRetries, openRange } from "./download-open.ts";

/** The text says nothing more exact, because the runtime may print it. */
const brokenOff = () => new Error("transfer broken off");

/** An unexpected exception ends a transfer as every other failure does: the client sees it, and `onEnd` is called. */
const internalFailure = (bytes: number): TransferEnd => ({ bytes, outcome: "failed", reason: "internal" });

/**
 * Has the runtime pipe the window in pieces, each one request with a file token of its own, so that no piece meets the
 * server's five-minute limit and hardly any code runs. A piece that does not start is tried again. One that breaks ends the
 * transfer, because nobody knows how much of it was passed on.
 */
async function pipePieces(
  call: DownloadCall,
  { piece: first, window, date, step }: Begun,
  writable: WritableStream<Uint8Array>,
  gone: AbortSignal,
): Promise<TransferEnd> {
  let bytes = 0;
  let piece = first;
  for (;;) {
    const start = window.start + bytes;
    const end = Math.min(window.end, start + step - 1);
    try {
      await piece.response.body!.pipeTo(writable, { preventClose: true, preventAbort: true, signal: gone });
    } catch {
      piece.close();
      return gone.aborted ? { bytes, outcome: "client_gone" } : { bytes, outcome: "failed", reason: "transfer_cut" };
    }
    bytes += end - start + 1;
    if (end === window.end) return { bytes, outcome: "complete" };
    const next = { ...window, start: end + 1, end: Math.min(window.end, end + step) };
    const opened = await openRange(call, next, date, laterRetries(call, gone), gone);
    if (gone.aborted) return { bytes, outcome: "client_gone" };
    if (!opened.ok) return { bytes, outcome: "failed", reason: opened.error.code };
    piece = opened.value;
  }
}

function pipedBody(call: DownloadCall, begun: Begun, gone: AbortController): ReadableStream {
  const { readable, writable } = new FixedLengthStream(lengthOf(begun.window));
  const work = async () => {
    const end = await pipePieces(call, begun, writable, gone.signal).catch(() => internalFailure(0));
    if (end.outcome === "complete") await writable.close().catch(() => {});
    else await writable.abort(brokenOff()).catch(() => {});
    gone.abort();
    call.onEnd(end);
  };
  call.background(work());
  return readable;
}

/** Bytes that the relay passes on itself pass the door again after so long, so that a revoked key gets no more of them. */
const DOOR_MS = 15_000;

/** Largest chunk: beyond it memory grows, and time does not fall any more. */
const LARGEST_CHUNK = 2 * 1024 * 1024;
/** Shared by the chunks of all transfers pumped in this isolate: a single one gets large chunks, many get small ones. */
const SHARED_BYTES = 8 * 1024 * 1024;
let pumping = 0;

/**
 * Gives chunks to the runtime one by one, when it asks for them. It sends each of them with one call, whereas it sends
 * whatever is written into a `FixedLengthStream` in pieces of 64 KiB.
 */
function pumpedBody(call: DownloadCall, begun: Begun, gone: AbortController): ReadableStream {
  const length = lengthOf(begun.window);
  // Chunks get smaller towards the end. The runtime asks for a chunk before it has sent the one before, so when it asks for
  // what follows the last one, nearly everything has been sent. Only then is the transfer called complete.
  const room = () => Math.min(LARGEST_CHUNK, SHARED_BYTES / pumping, (length - chunks.given()) / 4);
  const chunks = healedChunks(call, begun, gone.signal, room);
  const over = Promise.withResolvers<void>();
  call.background(over.promise);
  pumping++;
  const finish = (end: TransferEnd) => {
    pumping--;
    gone.signal.removeEventListener("abort", clientGone);
    gone.abort();
    call.onEnd(end);
    over.resolve();
  };
  const clientGone = () => finish({ bytes: chunks.given(), outcome: "client_gone" });
  if (gone.signal.aborted) clientGone();
  else gone.signal.addEventListener("abort", clientGone);
  let previous: Uint8Array<ArrayBuffer> | null = null;
  let passed = call.clock();
  /** The next bytes, when the caller may still have them. */
  const admitted = async () => {
    const next = await chunks.next();
    if (!(next instanceof Uint8Array) || call.clock() - passed < DOOR_MS) return next;
    const refused = await call.refusal();
    passed = call.clock();
    return refused ? chunks.end({ outcome: "failed", reason: refused.code }) : next;
  };
  return new ReadableStream<Uint8Array>(
    {
      expectedLength: length,
      async pull(controller) {
        // The runtime has copied the previous chunk. Its memory is freed here, because a large file's chunks would pile up
        // until V8 collects them.
        previous?.buffer.transfer(0);
        const next = await admitted().catch(() => internalFailure(chunks.given()));
        if (gone.signal.aborted) return controller.error(brokenOff());
        if (next instanceof Uint8Array) {
          previous = next;
          return controller.enqueue(next);
        }
        finish(next);
        if (next.outcome === "complete") controller.close();
        else controller.error(brokenOff());
      },
      cancel: () => gone.abort(),
    },
    { highWaterMark: 0 },
  );
}

/**
 * A body of exactly the window's length. When it cannot be filled it errors: the runtime then closes the client's connection
 * short of the announced `Content-Length`, so that no client takes the file for whole.
 */
export const filledBody = (call: DownloadCall, begun: Begun, gone: AbortController): ReadableStream<Uint8Array> =>
  isPumped(call) ? pumpedBody(call, begun, gone) : pipedBody(call, begun, gone);
