import type { Problem } from "../base/problem.ts";
import type { ProblemCode } from "../base/problems.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Conditions } from "../http/forward.ts";
import { lengthOf, rangeHeader, requestedWindow, type Window } from "../http/range.ts";
import { type DownloadCall, isPumped } from "./download-call.ts";
import { checkFirst, type FirstAnswer } from "./download-check.ts";
import { closeAndFail, openOnce, type Piece, persist } from "./download-open.ts";
import { retries } from "./retries.ts";

/** Retries of the first request, for which the caller waits: one for a dead token or a restart, one a moment later. */
const RETRIES = 2;

/** Not retried while the caller waits for the first byte: the server took its time already, or said when to come again. */
const notRetried: readonly ProblemCode[] = ["upstream_rate_limited", "upstream_saturated", "upstream_timeout"];

const SMALLEST_PIECE = 64 * 1024 * 1024;

/** Cloudflare's Free plan allows a request 50 subrequests; some are left for everything else. */
const MOST_PIECES = 40;

/** Bytes per piece for a file or window of `length` bytes. */
export const pieceLength = (length: number): number => Math.max(SMALLEST_PIECE, Math.ceil(length / MOST_PIECES));

/**
 * A transfer that has begun: the stretch of the file to send, and the version of the file (its `Last-Modified`), which
 * every later piece must show. The first piece holds `held` bytes of the window; where a server knows no ranges that is all
 * of it, however large. Later pieces are `step` bytes long.
 */
export type Begun = { piece: Piece; held: number; window: Window; date: string; step: number };

/**
 * The first answer, to a request that is right for this caller and this server. `status` is the one to answer with.
 * `pieces`: the window that is fetched in pieces, of which the server's headers describe only the first. `begun` is null when
 * the runtime passes the body on by itself, or there is none.
 */
export type First = { piece: Piece; status: number; pieces: Window | null; begun: Begun | null };

/** Opens the backup with the caller's own range and conditions, and checks that it is the one that was listed. */
export async function openFirst(
  call: DownloadCall,
  asked: Conditions,
  gone: AbortSignal,
): Promise<Result<First, Problem>> {
  const plan = planOf(call, asked);
  const opened = await openChecked(call, plan.headers, gone);
  if (!opened.ok) return opened;
  const { piece, window, date } = opened.value;
  const { status } = piece.response;
  if (plan.pieces && status === 206 && date === null) {
    // Without a date no later piece can be tied to this one.
    piece.close();
    return openFirst({ ...call, healing: "off" }, asked, gone);
  }
  if (plan.pieces && status === 200 && asked["If-Range"] !== undefined) {
    // The caller has a part of another version: it gets the whole file, and so all of its pieces.
    piece.close();
    const { Range: _range, "If-Range": _version, ...rest } = asked;
    return openFirst(call, rest, gone);
  }
  const pieces = status === 206 ? plan.pieces : null;
  return ok({
    piece,
    status: pieces && !asked.Range ? 200 : status,
    pieces,
    begun: begin(call, opened.value, pieces ?? (isPumped(call) ? window : null)),
  });
}

/** What to ask the server first, and what of the file is then to be sent in pieces: null when one request is enough. */
type Plan = { headers: Conditions; pieces: Window | null };

/** With `segments` anything larger than one piece is asked for piece by piece; all else goes to the server as it came. */
function planOf(call: DownloadCall, asked: Conditions): Plan {
  const whole: Plan = { headers: asked, pieces: null };
  const { size } = call.backup;
  if (call.healing !== "segments" || call.request.method === "HEAD" || size === 0) return whole;
  const window = asked.Range ? requestedWindow(asked.Range, size) : { start: 0, end: size - 1, total: size };
  if (window === "other" || lengthOf(window) <= pieceLength(lengthOf(window))) return whole;
  const end = window.start + pieceLength(lengthOf(window)) - 1;
  return { headers: { ...asked, Range: rangeHeader(window.start, end) }, pieces: window };
}

type Opened = FirstAnswer & { piece: Piece };

function begin(call: DownloadCall, { piece, window: first, date }: Opened, window: Window | null): Begun | null {
  if (call.request.method === "HEAD" || !window || lengthOf(window) === 0 || date === null) return null;
  const length = lengthOf(window);
  const step = call.healing === "segments" ? pieceLength(length) : length;
  return { piece, held: first ? lengthOf(first) : 0, window, date, step };
}

function openChecked(call: DownloadCall, asked: Conditions, gone: AbortSignal): Promise<Result<Opened, Problem>> {
  return persist(retries(RETRIES, call.sleep, call.random, gone), async (tokenRefused) => {
    const opened = await openOnce(call, asked, tokenRefused, gone);
    if (!opened.ok) {
      const { problem, retry } = opened.error;
      return fail({ ...opened.error, retry: retry && !notRetried.includes(problem.code) });
    }
    const piece = opened.value;
    const checked = checkFirst(asked, call.backup.size, piece.response, call.request.method === "HEAD");
    return checked.ok ? ok({ ...checked.value, piece }) : closeAndFail(piece, checked.error);
  });
}
