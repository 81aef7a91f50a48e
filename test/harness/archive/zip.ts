import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";

/** A file to put into an archive. Everything but name and data is for archives no honest writer makes. */
export type ZipFile = {
  name: string | Uint8Array;
  data?: Uint8Array | string;
  method?: number;
  /** Unix mode; default a regular file, for names with a trailing slash a folder. */
  mode?: number;
  /** The system it says it was packed on; default 3, Unix. With another one `mode` is not written. */
  system?: number;
  /** The DOS attributes; 0x10 is a folder. */
  attributes?: number;
  flags?: number;
  /** Replaces what the listing says. */
  listed?: Partial<{
    name: string;
    crc: number;
    packed: number;
    unpacked: number;
    offset: number;
    flags: number;
    date: number;
    time: number;
  }>;
  /** Replaces what the local header says. */
  local?: Partial<{
    name: string;
    crc: number;
    packed: number;
    unpacked: number;
    method: number;
    extra: Uint8Array;
    extraLength: number;
  }>;
  /** Replaces what the descriptor says. */
  descriptor?: Partial<{ crc: number; packed: number; unpacked: number }>;
  /** Already packed data, for damage inside it. */
  packed?: Uint8Array;
  /** Stray bytes after its data and descriptor. */
  after?: Uint8Array;
  /** Extra data of the listing, appended to the writer's own. */
  extra?: Uint8Array;
  /** Puts sizes and offset into a ZIP64 block although they are small. */
  zip64?: boolean;
};

/**
 * How honest writers differ: `server` is Go's streaming writer as PocketBase uses it, `infozip` knows the sizes and
 * writes longer extra data locally than in the listing, `plain` has no extra data at all.
 */
export type Dialect = "server" | "infozip" | "plain";

export type ZipOptions = {
  dialect?: Dialect;
  /** When every file was changed last, ms since the epoch, for the writers that say so in UTC; without, one fixed time. */
  changed?: number;
  before?: Uint8Array;
  after?: Uint8Array;
  comment?: Uint8Array | string;
  zip64?: boolean;
  /** Bytes between the last file and the directory, and between the directory and its end record. */
  beforeDirectory?: Uint8Array;
  afterDirectory?: Uint8Array;
  /** Replaces fields of the end record. */
  end?: Partial<{ disk: number; entries: number; size: number; start: number; commentLength: number }>;
  /** Replaces fields of the ZIP64 records. */
  end64?: Partial<{
    entries: number;
    size: number;
    start: number;
    recordAt: number;
    disks: number;
    recordSize: number;
  }>;
};

/** 2026-10-04T19:45:52Z, where no test cares. */
const FIXED = 0x6ac2_b1a0 * 1000;

type Extras = Record<Dialect, { local: Buffer; listed: Buffer }>;

function extrasOf(changed = FIXED): Extras {
  const time = Buffer.alloc(4);
  time.writeInt32LE(Math.floor(changed / 1000));
  const [hex, owner] = [time.toString("hex"), "75780b000104e803000004e8030000"];
  const server = Buffer.from(`5554050001${hex}`, "hex");
  return {
    server: { local: server, listed: server },
    infozip: {
      local: Buffer.from(`5554090003${hex}${hex}${owner}`, "hex"),
      listed: Buffer.from(`5554050003${hex}${owner}`, "hex"),
    },
    plain: { local: Buffer.alloc(0), listed: Buffer.alloc(0) },
  };
}

const bytesOf = (value: Uint8Array | string | undefined): Uint8Array =>
  typeof value === "string" ? Buffer.from(value) : (value ?? Buffer.alloc(0));

/** Writes an archive. */
export function zip(files: ZipFile[], options: ZipOptions = {}): Uint8Array<ArrayBuffer> {
  // Not a Buffer: its slice() does not copy.
  const dialect = options.dialect ?? "server";
  const extras = extrasOf(options.changed);
  const parts: Uint8Array[] = [bytesOf(options.before)];
  const directory: Uint8Array[] = [];
  let at = 0;
  const push = (...added: Uint8Array[]) => {
    for (const part of added) at += part.length;
    parts.push(...added);
  };
  for (const file of files) {
    const offset = at;
    const written = writeFile(file, dialect, extras);
    push(...written.parts);
    directory.push(listing(file, written, offset, extras[dialect].listed));
  }
  push(bytesOf(options.beforeDirectory));
  const listed = Buffer.concat(directory);
  const start = at;
  push(listed, bytesOf(options.afterDirectory));
  const fields = { entries: files.length, size: listed.length, start };
  if (options.zip64) push(...end64(fields, at, options.end64));
  push(endRecord(fields, options), bytesOf(options.after));
  return new Uint8Array(Buffer.concat(parts));
}

type Written = { crc: number; packed: number; unpacked: number; method: number; flags: number; parts: Uint8Array[] };

function writeFile(file: ZipFile, dialect: Dialect, extras: Extras): Written {
  const name = bytesOf(file.name);
  const data = bytesOf(file.data);
  const folder = name.at(-1) === 0x2f;
  const method = file.method ?? (folder || dialect === "plain" ? 0 : 8);
  const packed = file.packed ?? (method === 8 ? deflateRawSync(data, { level: 1 }) : data);
  const streamed = dialect === "server" && !folder;
  const flags = file.flags ?? (streamed ? 8 : 0);
  const truth = { crc: crc32(data), packed: packed.length, unpacked: data.length };
  const header = Buffer.alloc(30);
  const local = { ...(flags & 8 ? { crc: 0, packed: 0, unpacked: 0 } : truth), ...file.local };
  const extra = file.local?.extra ?? extras[dialect].local;
  const localName = file.local?.name === undefined ? name : Buffer.from(file.local.name);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(file.local?.method ?? method, 8);
  header.writeUInt32LE(local.crc, 14);
  header.writeUInt32LE(local.packed, 18);
  header.writeUInt32LE(local.unpacked, 22);
  header.writeUInt16LE(localName.length, 26);
  header.writeUInt16LE(file.local?.extraLength ?? extra.length, 28);
  const tail = flags & 8 ? descriptor({ ...truth, ...file.descriptor }) : Buffer.alloc(0);
  return { ...truth, method, flags, parts: [header, localName, extra, packed, tail, bytesOf(file.after)] };
}

function descriptor({ crc, packed, unpacked }: { crc: number; packed: number; unpacked: number }): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(0x08074b50, 0);
  bytes.writeUInt32LE(crc, 4);
  bytes.writeUInt32LE(packed, 8);
  bytes.writeUInt32LE(unpacked, 12);
  return bytes;
}

function listing(file: ZipFile, written: Written, offset: number, ownExtra: Buffer): Buffer {
  const name = file.listed?.name === undefined ? bytesOf(file.name) : Buffer.from(file.listed.name);
  const said = { ...written, offset, date: 0, time: 0, ...file.listed };
  const folder = name.at(-1) === 0x2f;
  const mode = file.mode ?? (folder ? 0o040755 : 0o100644);
  const block = file.zip64 ? block64(said) : Buffer.alloc(0);
  const extra = Buffer.concat([ownExtra, block, bytesOf(file.extra)]);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  const system = file.system ?? 3;
  header.writeUInt16LE((system << 8) | 20, 4);
  header.writeUInt16LE(20, 6);
  header.writeUInt16LE(said.flags, 8);
  header.writeUInt16LE(written.method, 10);
  header.writeUInt16LE(said.time, 12);
  header.writeUInt16LE(said.date, 14);
  header.writeUInt32LE(said.crc, 16);
  header.writeUInt32LE(file.zip64 ? 0xffff_ffff : said.packed, 20);
  header.writeUInt32LE(file.zip64 ? 0xffff_ffff : said.unpacked, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(((system === 3 ? mode << 16 : 0) | (file.attributes ?? 0)) >>> 0, 38);
  header.writeUInt32LE(said.offset, 42);
  return Buffer.concat([header, name, extra]);
}

/** As Go writes it: all three numbers, though only the sizes are marked. */
function block64({ packed, unpacked, offset }: { packed: number; unpacked: number; offset: number }): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(1, 0);
  bytes.writeUInt16LE(24, 2);
  bytes.writeBigUInt64LE(BigInt(unpacked), 4);
  bytes.writeBigUInt64LE(BigInt(packed), 12);
  bytes.writeBigUInt64LE(BigInt(offset), 20);
  return bytes;
}

type EndFields = { entries: number; size: number; start: number };

function end64(fields: EndFields, at: number, lies: ZipOptions["end64"] = {}): Buffer[] {
  const said = { ...fields, recordAt: at, disks: 1, recordSize: 44, ...lies };
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(BigInt(said.recordSize), 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  record.writeBigUInt64LE(BigInt(said.entries), 24);
  record.writeBigUInt64LE(BigInt(said.entries), 32);
  record.writeBigUInt64LE(BigInt(said.size), 40);
  record.writeBigUInt64LE(BigInt(said.start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(said.recordAt), 8);
  locator.writeUInt32LE(said.disks, 16);
  return [record, locator];
}

/** The end record; with `zip64` all its fields are marked unless replaced. */
export function endRecord(fields: EndFields, options: ZipOptions = {}): Buffer {
  const comment = bytesOf(options.comment);
  const marked = options.zip64 ? { entries: 0xffff, size: 0xffff_ffff, start: 0xffff_ffff } : fields;
  const said = { disk: 0, ...marked, commentLength: comment.length, ...options.end };
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(said.disk, 4);
  end.writeUInt16LE(said.disk, 6);
  end.writeUInt16LE(said.entries, 8);
  end.writeUInt16LE(said.entries, 10);
  end.writeUInt32LE(said.size, 12);
  end.writeUInt32LE(said.start, 16);
  end.writeUInt16LE(said.commentLength, 20);
  return Buffer.concat([end, comment]);
}
