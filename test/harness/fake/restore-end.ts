import { crc32 } from "node:zlib";
import { type Content, wholeOf } from "./content.ts";

/** What a restore of some bytes would end in. `snapshot` names the state they hold, when the fake made them. */
export type RestoreEnd =
  | { ends: "restored"; snapshot: string | null }
  | { ends: "failed"; error: string }
  /** `data.db` is not SQLite: the process exits and never comes up again. */
  | { ends: "killed" }
  /** `data.db` has no bytes: an installation without a superuser. */
  | { ends: "empty" };

const SCRATCH = "/srv/pb/pb_data/.pb_temp_to_delete/pb_restore_3JKHMmAg";
const LARGEST = 64 * 1024 * 1024;

type Entry = { name: string; method: number; crc: number; packed: number; offset: number };

function directoryOf(bytes: Uint8Array): Entry[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) return null;
  const entries: Entry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50) return null;
    const nameLength = view.getUint16(at + 28, true);
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      offset: view.getUint32(at + 42, true),
    });
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

async function unpacked(bytes: Uint8Array<ArrayBuffer>, entry: Entry): Promise<Uint8Array | null> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = entry.offset + 30 + view.getUint16(entry.offset + 26, true) + view.getUint16(entry.offset + 28, true);
  const data = bytes.slice(start, start + entry.packed);
  if (entry.method === 0) return data;
  try {
    const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    return null;
  }
}

/** Judges as PocketBase does, with its log texts. It looks at every checksum and at no database. */
export async function restoreEndOf(content: Content): Promise<RestoreEnd> {
  const bytes = content.size <= LARGEST ? wholeOf(content) : new Uint8Array(0);
  const entries = directoryOf(bytes);
  if (!entries) return { ends: "failed", error: "zip: not a valid zip file" };
  let database: Uint8Array | null = null;
  let snapshot: string | null = null;
  for (const entry of entries) {
    if (entry.name.startsWith("/") || entry.name.split("/").includes(".."))
      return { ends: "failed", error: `invalid file path: ${SCRATCH}/${entry.name}` };
    const data = await unpacked(bytes, entry);
    if (!data) return { ends: "failed", error: "flate: corrupt input before offset 5" };
    if (crc32(data) !== entry.crc) return { ends: "failed", error: "zip: checksum error" };
    // The second of two wins: it is extracted over the first.
    if (entry.name === "data.db") database = data;
    snapshot = /^storage\/fake\/(\w+)\.txt$/.exec(entry.name)?.[1] ?? snapshot;
  }
  if (!database) {
    const error = `data.db file is missing or invalid: stat ${SCRATCH}/data.db: no such file or directory`;
    return { ends: "failed", error };
  }
  if (database.length === 0) return { ends: "empty" };
  if (new TextDecoder().decode(database.subarray(0, 15)) !== "SQLite format 3") return { ends: "killed" };
  return { ends: "restored", snapshot };
}
