/** Unsigned little-endian numbers, the only ones in a ZIP archive (APPNOTE 6.3.10 §4.4.1.1). */
export const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);

export const u32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

/** Exact up to 2^53; above that rounded, which every limit refuses anyway. */
export const u64 = (bytes: Uint8Array, at: number): number => u32(bytes, at + 4) * 0x1_0000_0000 + u32(bytes, at);
