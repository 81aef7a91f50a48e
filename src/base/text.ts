/**
 * Foreign text made safe to store and show: control, bidirectional and zero-width characters become `\u{…}` escapes,
 * and the whole is cut to `limit` UTF-16 units (text in audit rows and in answers can come from anybody).
 */
export function plainText(text: string, limit: number): string {
  const escaped = text.replace(
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
  return escaped.length <= limit ? escaped : `${escaped.slice(0, limit - 1)}…`;
}

/** The same, cut to `limit` bytes of UTF-8 at a whole character. */
export function plainBytes(text: string, limit: number): string {
  const plain = plainText(text, limit);
  const bytes = new TextEncoder().encode(plain);
  if (bytes.length <= limit) return plain;
  const ellipsis = 3;
  let end = limit - ellipsis;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return `${new TextDecoder().decode(bytes.subarray(0, end))}…`;
}

/** Bytes that are kept of a text from outside in rows that tell who did what. */
export const TRAIL_TEXT_BYTES = 256;
