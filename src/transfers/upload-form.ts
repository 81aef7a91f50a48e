import { type Problem, problem } from "../base/problem.ts";
import { fail, type Result } from "../base/result.ts";
import { chunksOf } from "../http/chunks.ts";
import { formPart, parseMediaType } from "../http/content-disposition.ts";
import { type FormEvent, formParser } from "../http/multipart.ts";
import type { UploadCall } from "./upload-call.ts";
import { askObject, conclude, giveUp } from "./upload-end.ts";
import { broken, checkName, fileMissing, isZip, notZip, secondFile } from "./upload-refusal.ts";
import { type Sending, startSending } from "./upload-sending.ts";

/** Go `net/http` takes no other type, and no boundary that could not stand on a line of its own. */
export function formBoundary(headers: Headers): string | null {
  const type = parseMediaType(headers.get("Content-Type") ?? "");
  const boundary = type?.type === "multipart/form-data" ? type.params.get("boundary") : undefined;
  return boundary && /^[\x20-\x7e]{1,200}$/.test(boundary) ? boundary : null;
}

/** The file part as it streams by. `start` gathers its first bytes until they tell whether it is a ZIP. */
type File = { name: string; bytes: number; start: Uint8Array; sending: Sending | null };

const joined = (one: Uint8Array, other: Uint8Array): Uint8Array => {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
};

/**
 * The file is the first part named `file` that has a file name, wherever it stands; other parts (SDKs add `@jsonPayload`)
 * are passed over. It is sent on under our own frame while it streams by, and the server gets the last boundary only
 * after the caller's own was seen. Its length is known only then, so the body goes chunked.
 */
export async function uploadForm<Stored>(call: UploadCall<Stored>): Promise<Result<Stored, Problem>> {
  const boundary = formBoundary(call.request.headers);
  if (boundary === null || call.request.body === null) return fail(fileMissing());
  const source = chunksOf(call.request.body, call.clock, call.sleep);
  const parser = formParser(boundary);
  let file: File | null = null;
  let inFile = false;

  async function content(into: File, bytes: Uint8Array): Promise<Problem | null> {
    into.bytes += bytes.length;
    if (into.sending) return (await into.sending.send(bytes)) ? null : broken();
    into.start = joined(into.start, bytes);
    if (into.start.length < 4) return null;
    if (!isZip(into.start)) return notZip(into.name);
    const reserved = await askObject(() => call.reserve(into.name, null));
    if (!reserved.ok) return reserved.error;
    into.sending = startSending(call, reserved.value.access, into.name, null);
    return (await into.sending.send(into.start)) ? null : broken();
  }

  async function take(event: FormEvent): Promise<Problem | null> {
    if (event.kind === "content") return inFile && file ? content(file, event.bytes) : null;
    if (event.kind === "partEnd") {
      const short = inFile && file?.sending === null;
      inFile = false;
      return short && file ? notZip(file.name) : null;
    }
    const part = formPart(event.headers.get("content-disposition") ?? "");
    if (part?.kind !== "file" || part.name !== "file") return null;
    if (file) return secondFile();
    if (part.filename === null) return fileMissing();
    const checked = checkName(call, part.filename);
    if (!checked.ok) return checked.error;
    file = { name: part.filename, bytes: 0, start: new Uint8Array(0), sending: null };
    inFile = true;
    return null;
  }

  async function receive(): Promise<Problem | null> {
    for (;;) {
      const chunk = await source.next();
      if (chunk === "broken" || (chunk === "end" && !parser.complete)) return file ? broken() : fileMissing();
      if (chunk === "end") return file ? null : fileMissing();
      const events = parser.push(chunk);
      if (!events) return broken();
      for (const event of events) {
        const refused = await take(event);
        if (refused) return refused;
      }
    }
  }

  // Whatever goes wrong in here, what was begun is given up.
  const refused = await receive().catch(() => problem("internal"));
  source.release();
  const sent = file as File | null;
  if (!sent?.sending) return fail(refused ?? fileMissing());
  return refused ? giveUp(call, sent.sending, refused) : conclude(call, sent.sending, sent.bytes);
}
