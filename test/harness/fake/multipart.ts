import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Content, literal } from "./content.ts";

/** The `file` part that PocketBase would take, or null where it says "Cannot be blank.". */
export type UploadedFile = { name: string; head: Uint8Array; size: number; sha256: string; content: Content };

const KEPT = 64 * 1024 * 1024;
const special = '()<>@,;:\\"/[]?=';

/**
 * Go's mime.ParseMediaType as far as file names need it: `filename*` beats `filename`, a backslash escapes only special
 * characters, the same parameter twice is an error (null).
 */
export function parametersOf(header: string): Map<string, string> | null {
  const found = new Map<string, string>();
  let rest = header.slice(/^[^;]*/.exec(header)![0].length);
  while (/^\s*;\s*\S/.test(rest)) {
    const name = /^\s*;\s*([^\s=;]+)\s*=/.exec(rest);
    if (!name) return null;
    rest = rest.slice(name[0].length).trimStart();
    let value = "";
    if (rest.startsWith('"')) {
      let at = 1;
      for (; at < rest.length && rest[at] !== '"'; at++) {
        if (rest[at] === "\\" && special.includes(rest[at + 1] ?? "x")) at += 1;
        value += rest[at];
      }
      if (at >= rest.length) return null;
      rest = rest.slice(at + 1);
    } else {
      value = /^[^\s;]*/.exec(rest)![0];
      rest = rest.slice(value.length);
    }
    const key = name[1]!.toLowerCase();
    if (found.has(key)) return null;
    found.set(key, value);
  }
  for (const [key, value] of found) {
    const coded = key.endsWith("*") ? /^(utf-8|us-ascii)'[^']*'(.*)$/i.exec(value) : null;
    if (!coded) continue;
    try {
      found.set(key.slice(0, -1), decodeURIComponent(coded[2]!));
    } catch {
      return null;
    }
  }
  return found;
}

/** filepath.Base on Linux. */
const baseName = (name: string): string => (/^\/+$/.test(name) ? "/" : name.replace(/\/+$/, "").replace(/^.*\//s, ""));

/** Reads a body piece by piece; large files leave only their size and hash behind. */
class Parts {
  private buffer = Buffer.alloc(0);
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(body: ReadableStream<Uint8Array>) {
    this.reader = body.getReader();
  }

  private async more(): Promise<boolean> {
    const { done, value } = await this.reader.read();
    if (done) return false;
    this.buffer = Buffer.concat([this.buffer, value]);
    return true;
  }

  /** Everything before `mark`, handed over as it comes; false when the body ends without it. */
  async until(mark: Buffer, take: (piece: Uint8Array<ArrayBuffer>) => void): Promise<boolean> {
    for (;;) {
      const at = this.buffer.indexOf(mark);
      if (at >= 0) {
        take(new Uint8Array(this.buffer.subarray(0, at)));
        this.buffer = this.buffer.subarray(at + mark.length);
        return true;
      }
      const safe = this.buffer.length - mark.length + 1;
      if (safe > 0) {
        take(new Uint8Array(this.buffer.subarray(0, safe)));
        this.buffer = this.buffer.subarray(safe);
      }
      if (!(await this.more())) return false;
    }
  }

  async take(length: number): Promise<string | null> {
    while (this.buffer.length < length) if (!(await this.more())) return null;
    const text = this.buffer.toString("latin1", 0, length);
    this.buffer = this.buffer.subarray(length);
    return text;
  }
}

/** A sink for one part: keeps the head and, up to 64 MiB, the bytes. */
function collector(): { take: (piece: Uint8Array<ArrayBuffer>) => void; file: (name: string) => UploadedFile } {
  const hash = createHash("sha256");
  const kept: Uint8Array[] = [];
  let size = 0;
  let head = Buffer.alloc(0);
  return {
    take(piece) {
      hash.update(piece);
      if (head.length < 3072) head = Buffer.concat([head, piece.subarray(0, 3072 - head.length)]);
      if (size + piece.length <= KEPT) kept.push(piece);
      size += piece.length;
    },
    file(name) {
      const whole = size <= KEPT ? literal(new Uint8Array(Buffer.concat(kept))) : null;
      const opaque: Content = {
        size,
        read: (offset, length) => new Uint8Array(Math.max(0, Math.min(length, size - offset))),
      };
      return { name, head: new Uint8Array(head), size, sha256: hash.digest("hex"), content: whole ?? opaque };
    },
  };
}

/** The first `file` part with a file name of a body that is whole; the other parts only have to be well formed. */
export async function uploadedFile(
  body: ReadableStream<Uint8Array> | null,
  contentType: string,
): Promise<UploadedFile | null> {
  const boundary = contentType.startsWith("multipart/form-data")
    ? parametersOf(contentType)?.get("boundary")
    : undefined;
  if (!body || !boundary) return null;
  const parts = new Parts(body);
  const nothing = () => {};
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  if (!(await parts.until(delimiter.subarray(2), nothing))) return null;
  let file: UploadedFile | null = null;
  for (;;) {
    const end = await parts.take(2);
    if (end === "--") return file;
    if (end !== "\r\n") return null;
    let head = "";
    if (
      !(await parts.until(Buffer.from("\r\n\r\n"), (piece) => {
        head += Buffer.from(piece).toString("utf8");
      }))
    )
      return null;
    const disposition = /^content-disposition:(.*)$/im.exec(head)?.[1]?.trim() ?? "";
    const parameters = parametersOf(disposition);
    const name = parameters?.get("filename") ?? "";
    const wanted = !file && parameters?.get("name") === "file" && name !== "";
    const sink = collector();
    if (!(await parts.until(delimiter, wanted ? sink.take : nothing))) return null;
    if (wanted) file = sink.file(baseName(name));
  }
}

/** gabriel-vasile/mimetype on the first 3072 bytes, as far as archives go. */
export function looksLikeZip(head: Uint8Array): boolean {
  if (head[0] !== 0x50 || head[1] !== 0x4b) return false;
  const kind = `${head[2]},${head[3]}`;
  if (kind !== "3,4" && kind !== "5,6" && kind !== "7,8") return false;
  const text = Buffer.from(head).toString("latin1");
  const first = text.slice(30, 30 + (head[26] ?? 0) + 256 * (head[27] ?? 0));
  if (first === "META-INF/MANIFEST.MF" || first === "AndroidManifest.xml" || first === "mimetype") return false;
  return !(first === "[Content_Types].xml" && /word\/|xl\/|ppt\//.test(text));
}
