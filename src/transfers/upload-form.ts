import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { joined } from "../http/body.ts";
import { chunksOf } from "../http/chunks.ts";
import { formPart, parseMediaType } from "../http/content-disposition.ts";
import { type FormEvent, formParser } from "../http/multipart.ts";
import type { FileSink, IncomingFile, UploadCall } from "./upload-call.ts";
import { broken, checkName, fileMissing, isZip, notZip, secondFile } from "./upload-refusal.ts";

/** Go `net/http` takes no other type, and no boundary that could not stand on a line of its own. */
function formBoundary(headers: Headers): string | null {
  const type = parseMediaType(headers.get("Content-Type") ?? "");
  const boundary = type?.type === "multipart/form-data" ? type.params.get("boundary") : undefined;
  return boundary && /^[\x20-\x7e]{1,200}$/.test(boundary) ? boundary : null;
}

/**
 * The file is the first part named `file` that has a file name, wherever it stands; other parts (SDKs add `@jsonPayload`)
 * are skipped. It is complete only when the form's last boundary has come, and only then its size is known.
 */
export async function fileInForm(call: UploadCall<unknown>): Promise<Result<IncomingFile, Problem>> {
  const boundary = formBoundary(call.request.headers);
  if (boundary === null || call.request.body === null) return fail(fileMissing());
  const form = readForm(call, call.request.body, boundary);
  const started = await form.start().catch(() => fail(problem("internal")));
  if (!started.ok) form.release();
  return started;
}

function readForm(call: UploadCall<unknown>, body: ReadableStream<Uint8Array>, boundary: string) {
  const source = chunksOf(body, call.clock, call.sleep);
  const parser = formParser(boundary);
  /** The events of the chunk read last; those before `at` are done. */
  let events: FormEvent[] = [];
  let at = 0;
  /** The file's name, once its part has begun. */
  let name: string | null = null;
  let inFile = false;

  /** The next event, or `end` when the form is complete. */
  async function next(): Promise<Result<FormEvent | "end", Problem>> {
    while (at === events.length) {
      const chunk = await source.next();
      if (chunk === "end" && parser.complete) return ok("end");
      if (typeof chunk === "string") return fail(name === null ? fileMissing() : broken());
      const parsed = parser.push(chunk);
      if (!parsed) return fail(broken());
      [events, at] = [parsed, 0];
    }
    return ok(events[at++]!);
  }

  /** Whether this part is the file. Then its name is kept. */
  function beginsFile(event: FormEvent & { kind: "part" }): Result<boolean, Problem> {
    const part = formPart(event.headers.get("content-disposition") ?? "");
    if (part?.kind !== "file" || part.name !== "file") return ok(false);
    if (name !== null) return fail(secondFile());
    if (part.filename === null) return fail(fileMissing());
    // The server would decode it.
    if (/^quoted-printable$/i.test(event.headers.get("content-transfer-encoding") ?? ""))
      return fail(problem("encoding_refused"));
    const checked = checkName(call, part.filename);
    if (!checked.ok) return checked;
    name = part.filename;
    return ok(true);
  }

  /** The file's next bytes, `fileEnd` after its last, `end` when the form is complete. */
  async function nextContent(): Promise<Result<Uint8Array | "fileEnd" | "end", Problem>> {
    for (;;) {
      const event = await next();
      if (!event.ok) return event;
      if (event.value === "end") return ok("end");
      if (event.value.kind === "content" && inFile) return ok(event.value.bytes);
      if (event.value.kind === "partEnd" && inFile) {
        inFile = false;
        return ok("fileEnd");
      }
      if (event.value.kind === "part") {
        const file = beginsFile(event.value);
        if (!file.ok) return file;
        inFile = file.value;
      }
    }
  }

  async function start(): Promise<Result<IncomingFile, Problem>> {
    let first: Uint8Array = new Uint8Array(0);
    while (first.length < 4) {
      const content = await nextContent();
      if (!content.ok) return content;
      if (content.value === "end") return fail(fileMissing());
      if (content.value === "fileEnd") return fail(notZip(name ?? ""));
      first = joined([first, content.value]);
    }
    return isZip(first)
      ? ok({ name: name!, size: null, sendTo: (to) => sendTo(to, first), release })
      : fail(notZip(name!));
  }

  async function sendTo(server: FileSink, first: Uint8Array): Promise<Result<number, Problem>> {
    let bytes = first.length;
    for (let taken = await server.send(first); taken; ) {
      const content = await nextContent();
      if (!content.ok) return content;
      if (content.value === "end") return ok(bytes);
      if (content.value === "fileEnd") continue;
      bytes += content.value.length;
      taken = await server.send(content.value);
    }
    return fail(broken());
  }

  const release = () => source.release();
  return { start, release };
}
