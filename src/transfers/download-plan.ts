import type { Conditions } from "../http/forward.ts";
import { lengthOf, rangeHeader, requestedWindow, type Window } from "../http/range.ts";
import type { DownloadCall } from "./download-call.ts";

const SMALLEST_PIECE = 64 * 1024 * 1024;

/** Cloudflare's Free plan allows a request 50 subrequests; some are left for everything else. */
const MOST_PIECES = 40;

/** Bytes per piece for a file or window of `length` bytes. */
export const pieceLength = (length: number): number => Math.max(SMALLEST_PIECE, Math.ceil(length / MOST_PIECES));

/** What to ask the server first, and what of the file is then to be sent in pieces: null when one request is enough. */
export type Plan = { headers: Conditions; pieces: Window | null };

/** With `segments` anything larger than one piece is asked for piece by piece; all else goes to the server as it came. */
export function planOf(call: DownloadCall, asked: Conditions): Plan {
  const whole: Plan = { headers: asked, pieces: null };
  const { size } = call.backup;
  if (call.healing !== "segments" || call.request.method === "HEAD" || size === 0) return whole;
  const window = asked.Range ? requestedWindow(asked.Range, size) : { start: 0, end: size - 1, total: size };
  if (window === "other" || lengthOf(window) <= pieceLength(lengthOf(window))) return whole;
  const end = window.start + pieceLength(lengthOf(window)) - 1;
  return { headers: { ...asked, Range: rangeHeader(window.start, end) }, pieces: window };
}
