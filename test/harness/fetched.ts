import { createHash } from "node:crypto";

/** What a client sees of a download; `whole` only when the transfer ended as announced, `sha256` only then. */
export type Fetched = { status: number; whole: boolean; bytes: number; sha256: string | null };

/** Downloads and hashes every byte. */
export async function fetched(url: string, init: RequestInit): Promise<Fetched> {
  const response = await fetch(url, init);
  const { status } = response;
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const piece of response.body!) {
      hash.update(piece);
      bytes += piece.length;
    }
  } catch {
    return { status, whole: false, bytes, sha256: null };
  }
  return { status, whole: true, bytes, sha256: hash.digest("hex") };
}
