import { utf8 } from "../base/encoding.ts";
import type { Problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";
import { systemSleep } from "../base/sleep.ts";
import type { EventPage } from "../instances/ledger/ledger.ts";

/** Short polls from the Worker, so that no open stream keeps an object awake or pinned. */
const POLL_MS = 2_000;
const COMMENT_MS = 15_000;
const PAGE = 100;

type Read = (after: number, limit: number) => Promise<Result<EventPage, Problem>>;

/**
 * Server-sent events (WHATWG HTML §9.2) from a ledger: `id` is the seq, so `Last-Event-ID` resumes without loss. Every
 * poll passes the door, so a revoked key ends the stream within one of them; a fault of the moment is waited out.
 */
export function eventStream(from: number, read: Read, gone: AbortSignal): Response {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const pump = async () => {
    let after = from;
    let quiet = 0;
    await writer.write(utf8("retry: 3000\n\n"));
    while (!gone.aborted) {
      const page = await read(after, PAGE);
      if (!page.ok && ENDING.includes(page.error.code)) {
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
  // A client that left makes the next write fail: that is the end of it, not an error.
  pump().catch(() => writer.abort().catch(() => undefined));
  return new Response(readable, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}

/** What does not pass by itself. */
const ENDING: readonly Problem["code"][] = ["unauthenticated", "scope_missing", "network_refused"];

/** The stored text has no line break in it, so one data line carries it byte for byte. */
function frame(text: string): string {
  const { seq, type } = JSON.parse(text) as { seq: number; type: string };
  return `id: ${seq}\nevent: ${type}\ndata: ${text}\n\n`;
}
