import { Buffer } from "node:buffer";

/** The parameters of one part's `Content-Disposition`, quoted as they are given; `type` is its `Content-Type`. */
export type PartHead = { name: string; filename?: string; type?: string; disposition?: string };

export type Part = readonly [PartHead, string | Buffer];

/** A multipart body byte for byte as browsers frame one; nothing is escaped. `disposition` replaces the whole header. */
export function multipart(parts: readonly Part[], { end = true } = {}): { body: Buffer; contentType: string } {
  const boundary = "----test7MA4YWxkTrZu0gW";
  const pieces = parts.flatMap(([head, content]) => {
    const file = head.filename === undefined ? "" : `; filename="${head.filename}"`;
    const disposition = head.disposition ?? `form-data; name="${head.name}"${file}`;
    const type = head.type === undefined ? "" : `Content-Type: ${head.type}\r\n`;
    return [`--${boundary}\r\nContent-Disposition: ${disposition}\r\n${type}\r\n`, content, "\r\n"];
  });
  const body = Buffer.concat([...pieces, end ? `--${boundary}--\r\n` : ""].map((piece) => Buffer.from(piece)));
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}
