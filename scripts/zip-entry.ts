import { inflateRawSync } from "node:zlib";

const END_RECORD = 0x06054b50;
const CENTRAL_HEADER = 0x02014b50;

/**
 * The content of the one entry of a ZIP whose name passes `wanted`; null when there is none. For the small archives we
 * fetch ourselves (a wheel, a release): no ZIP64, no encryption, methods 0 and 8 only. APPNOTE 4.3.
 */
export function zipEntry(zip: Buffer, wanted: (name: string) => boolean): Buffer | null {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== END_RECORD) end--;
  if (end < 0) return null;
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0 && zip.readUInt32LE(at) === CENTRAL_HEADER; left--) {
    const nameLength = zip.readUInt16LE(at + 28);
    const name = zip.toString("utf8", at + 46, at + 46 + nameLength);
    if (wanted(name)) {
      const local = zip.readUInt32LE(at + 42);
      const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const packed = zip.subarray(from, from + zip.readUInt32LE(at + 20));
      return zip.readUInt16LE(at + 10) === 8 ? inflateRawSync(packed) : Buffer.from(packed);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return null;
}
