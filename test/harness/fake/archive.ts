/** A file of an archive, and a ZIP as PocketBase's writer makes it (upstream.md §5): deflated, sizes after the data. */
export type ArchiveEntry = { name: string; bytes: Uint8Array<ArrayBuffer> };

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

async function deflated(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Little-endian fields: [value, width in bytes]. */
function packed(...fields: [value: number, width: 2 | 4][]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(fields.reduce((sum, [, width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [value, width] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}

export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export async function zip(entries: ArchiveEntry[]): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, bytes } of entries) {
    const title = new TextEncoder().encode(name);
    const data = await deflated(bytes);
    const crc = crc32(bytes);
    const head = packed(
      [0x04034b50, 4],
      [20, 2],
      [8, 2],
      [8, 2],
      [0, 2],
      [0x5a21, 2],
      [0, 4],
      [0, 4],
      [0, 4],
      [title.length, 2],
      [0, 2],
    );
    const descriptor = packed([0x08074b50, 4], [crc, 4], [data.length, 4], [bytes.length, 4]);
    directory.push(
      packed(
        [0x02014b50, 4],
        [0x314, 2],
        [20, 2],
        [8, 2],
        [8, 2],
        [0, 2],
        [0x5a21, 2],
        [crc, 4],
        [data.length, 4],
        [bytes.length, 4],
      ),
      packed([title.length, 2], [0, 2], [0, 2], [0, 2], [0, 2], [0x81a40000, 4], [offset, 4]),
      title,
    );
    parts.push(head, title, data, descriptor);
    offset += head.length + title.length + data.length + descriptor.length;
  }
  const central = joined(directory);
  const end = packed(
    [0x06054b50, 4],
    [0, 2],
    [0, 2],
    [entries.length, 2],
    [entries.length, 2],
    [central.length, 4],
    [offset, 4],
    [0, 2],
  );
  return joined([...parts, central, end]);
}

/** A file with SQLite's header, PocketBase's table of tables and as many pages as it says; the rest is noise. */
export function database(pages: number, pageSize = 4096): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pages * pageSize);
  for (let at = pageSize; at < bytes.length; at++) bytes[at] = (at * 2654435761) >>> 13;
  bytes.set(new TextEncoder().encode("SQLite format 3\0"));
  // Write and read version, no reserved space, the three fixed payload fractions; at 100 a leaf of a table.
  bytes.set([1, 1, 0, 64, 32, 32], 18);
  bytes[100] = 13;
  bytes.set(new TextEncoder().encode("CREATE TABLE `_collections`"), 200);
  const view = new DataView(bytes.buffer);
  view.setUint16(16, pageSize);
  view.setUint32(28, pages);
  return bytes;
}
