import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { isUnencoded } from "../http/body.ts";
import { type Conditions, isByteranges, lastModified } from "../http/forward.ts";
import { contentLength, lengthOf, parseContentRange, requestedWindow, type Window } from "../http/range.ts";

/** `window` is null for answers that hold no single stretch of the file: several ranges, 304, 412, 416. */
export type FirstAnswer = { window: Window | null; date: string | null };

const changed = () => fail(problem("backup_changed"));
const invalid = (message: string) => fail(problem("upstream_invalid", { message }));

function windowOf(
  asked: Conditions,
  size: number,
  { status, headers }: Response,
  whole: boolean,
): Result<Window, Problem> {
  if (whole) return ok({ start: 0, end: size - 1, total: size });
  if (isEmptySuffix(asked, size, headers)) return ok({ start: size, end: size - 1, total: size });
  const window = parseContentRange(headers.get("Content-Range"));
  if (status !== 206 || !window) return invalid("The server told a range that cannot be.");
  if (window.total !== size) return changed();
  const wanted = requestedWindow(asked.Range ?? "", size);
  const other = wanted !== "other" && (wanted.start !== window.start || wanted.end !== window.end);
  return other ? invalid("The server answered another range than the one asked for.") : ok(window);
}

/** Go answers a request for the last 0 bytes with 206, an empty body and a range that RFC 9110 §14.4 does not allow. */
const isEmptySuffix = (asked: Conditions, size: number, headers: Headers): boolean =>
  /^bytes=\s*-0+\s*$/.test(asked.Range ?? "") && headers.get("Content-Range") === `bytes ${size}-${size - 1}/${size}`;

/**
 * Whether the first answer to a download is about the file that was listed: its length known and equal, its range the one
 * asked for, its bytes not recoded. Anything else would reach the client as a damaged file.
 */
export function checkFirst(
  asked: Conditions,
  size: number,
  response: Response,
  head: boolean,
): Result<FirstAnswer, Problem> {
  const { status, headers } = response;
  const date = lastModified(headers);
  if (status === 416 && asked.Range) return ok({ window: null, date });
  if ((status === 304 || status === 412) && Object.keys(asked).some((name) => /^If-(?!Range)/.test(name)))
    return ok({ window: null, date });
  if (status !== 200 && (status !== 206 || !asked.Range)) return invalid("The server answered what nobody asked.");
  if (!isUnencoded(headers)) return invalid("The server recoded the backup.");
  if (status === 206 && isByteranges(headers)) return ok({ window: null, date });
  const window = windowOf(asked, size, response, status === 200);
  if (!window.ok) return window;
  const length = contentLength(headers);
  if (length === null) return head ? ok({ window: window.value, date }) : invalid("The server did not tell a length.");
  if (length === lengthOf(window.value)) return ok({ window: window.value, date });
  if (status !== 200) return invalid("The server told a length that is not its range's.");
  // PocketBase dates every file: an answer without a date is a page of some proxy.
  return date === null ? invalid("The server answered with something else than a backup.") : changed();
}

/** Whether a later answer is exactly the asked piece of the very same file. */
export function checkPiece(want: Window, date: string, { status, headers }: Response): Result<null, Problem> {
  if (status === 416 || (status === 200 && lastModified(headers) !== date)) return changed();
  const window = parseContentRange(headers.get("Content-Range"));
  if (status !== 206 || !window) return invalid("The server did not answer with the range asked for.");
  if (window.total !== want.total || lastModified(headers) !== date) return changed();
  if (window.start !== want.start || window.end !== want.end)
    return invalid("The server answered another range than the one asked for.");
  if (!isUnencoded(headers)) return invalid("The server recoded the backup.");
  return contentLength(headers) === lengthOf(want)
    ? ok(null)
    : invalid("The server told a length that is not its range's.");
}
