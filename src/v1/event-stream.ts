import { utf8 } from "../base/encoding.ts";
import type { Problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";
import { systemSleep } from "../base/sleep.ts";
import type { EventPage } from "../instances/ledger/store.ts";

/** The Worker polls, so that an open stream does not keep the instance's object in memory. */
const POLL_MS = 2_000;
/** A comment after so long without an event keeps proxies from closing the stream. */
const COMMENT_MS = 15_000;
const EVENTS_PER_POLL = 100;

/** Reads up to `limit` events after a seq. */
export type ReadEvents = (after: number, limit: number) => Promise<Result<EventPage, Problem>>;

/**
 * The ledger after `from` as server-sent events (WHATWG HTML §9.2): `id` is the seq, so `Last-Event-ID` resumes without
 * loss. The credential is checked at every poll, so a revoked key ends the stream within one; other problems are taken
 * to pass, and the next poll tries again.
 */
export function eventStream(from: number, read: ReadEvents, gone: AbortSignal): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const pump = async () => {
    let after = from;
    let quiet = 0;
    await writer.write(utf8("retry: 3000\n\n"));
    while (!gone.aborted) {
      const page = await read(after, EVENTS_PER_POLL);
      if (!page.ok && ENDING_CODES.includes(page.error.code)) {
        await writer.write(utf8(`event: error\ndata: ${JSON.stringify({ code: page.error.code })}\n\n`));
        break;
      }
      if (page.ok) {
        for (const text of page.value.texts) await writer.write(utf8(frame(text)));
        if (page.value.texts.length > 0) quiet = 0;
        const more = page.value.nextAfter < page.value.head;
        after = page.value.nextAfter;
        if (more) continue;
      }
      await systemSleep(POLL_MS, gone);
      quiet += POLL_MS;
      if (quiet >= COMMENT_MS) {
        await writer.write(utf8(": still here\n\n"));
        quiet = 0;
      }
    }
    await writer.close();
  };
  // When the client has left the next write fails: the end of the stream, not an error.
  pump().catch(() => writer.abort().catch(() => undefined));
  return new Response(readable, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}

/** Problems that end the stream: they do not pass by themselves. */
const ENDING_CODES: readonly Problem["code"][] = ["unauthenticated", "scope_missing", "network_refused"];

/** The stored text has no line break in it, so one data line carries it byte for byte. */
function frame(text: string): string {
  const { seq, type } = JSON.parse(text) as { seq: number; type: string };
  return `id: ${seq}\nevent: ${type}\ndata: ${text}\n\n`;
}
