import { Buffer } from "node:buffer";
import { plainText } from "../base/text.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An entry's name as the archive writes it, and as a file system that ignores case would read it. */
export type EntryName = {
  /** UTF-8 where it is valid, else Latin-1: the servers take the bytes as they are and do not look at the flag. */
  text: string;
  /** For comparing: NFC, lower case, `/` only, without `.` and empty segments and without a trailing slash. */
  normal: string;
  /** A trailing slash: a folder for every program. */
  folder: boolean;
  /** False for a name that is dangerous to restore: empty, absolute, with a `..` segment, a drive letter or a NUL. */
  safe: boolean;
};

/**
 * Reads a name. Absolute names do no harm on the server itself (it joins them under its data folder, seen on 0.40.6), but
 * on another system or in another program they do, and no server writes them.
 */
export function readName(bytes: Uint8Array): EntryName {
  const text = decode(bytes);
  const plain = !/[^\x20-\x7e]|[A-Z\\]|\/\/|(^|\/)\.{1,2}(\/|$)|^\/|\/$|^$/.test(text);
  if (plain) return { text, normal: text, folder: false, safe: !/^[a-z]:\//.test(text) };
  const slashes = text.replaceAll("\\", "/");
  const segments = slashes.split("/").filter((segment) => segment !== "" && segment !== ".");
  return {
    text,
    normal: segments.join("/").normalize("NFC").toLowerCase(),
    folder: slashes.endsWith("/"),
    safe:
      segments.length > 0 &&
      !segments.includes("..") &&
      !slashes.startsWith("/") &&
      !/^[A-Za-z]:\//.test(slashes) &&
      !text.includes("\0"),
  };
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  }
}

/**
 * A name for a sentence: quoted, short, without characters that a terminal or a reader would interpret (SECURITY 34).
 */
export const quotedName = (name: string): string => `"${plainText(name, 80)}"`;

/** Bytes for a sentence: `12 bytes`, `3.4 MiB`. */
export function binarySizeInWords(bytes: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  if (bytes < 1024) return `${bytes} bytes`;
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}
