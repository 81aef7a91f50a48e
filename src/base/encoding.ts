import { Buffer } from "node:buffer";

/** Text and byte codings. Base64url is RFC 4648 §5 without padding. */
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text) as Uint8Array<ArrayBuffer>;
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

const view = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const copy = (buffer: Buffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer);

export const hex = (bytes: Uint8Array): string => view(bytes).toString("hex");
export const base64 = (bytes: Uint8Array): string => view(bytes).toString("base64");
export const base64url = (bytes: Uint8Array): string => view(bytes).toString("base64url");

/** Null instead of an exception, because the text comes from callers. Buffer alone would skip bad characters. */
export const fromHex = (text: string): Uint8Array<ArrayBuffer> | null =>
  /^([0-9a-f]{2})*$/i.test(text) ? copy(Buffer.from(text, "hex")) : null;

export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> | null =>
  /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}(==)?|[A-Za-z0-9+/]{3}=?)?$/.test(text)
    ? copy(Buffer.from(text, "base64"))
    : null;

export const fromBase64url = (text: string): Uint8Array<ArrayBuffer> | null =>
  /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1 ? copy(Buffer.from(text, "base64url")) : null;
