import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { UpstreamAccess, UpstreamResult } from "./backups-api.ts";
import type { Fetch } from "./exchange.ts";
import { openDownload } from "./transfer.ts";

const ANSWER_MS = 15_000;

/**
 * Reads bytes `[start, end)` of one backup, for looking into an archive. Every answer must be of the same file: the same
 * size and the same `Last-Modified` as the first, or `backup_changed`. A dead file token is replaced once per read.
 */
export function rangeReader(
  fetch: Fetch,
  access: (refused?: string) => Promise<UpstreamResult<UpstreamAccess>>,
  backup: { key: string; size: number },
): (start: number, end: number) => Promise<Result<Uint8Array, Problem>> {
  let modified: string | null = null;

  const open = async (
    start: number,
    end: number,
    signal: AbortSignal,
    refused?: string,
  ): Promise<Result<Response, Problem>> => {
    const given = await access(refused);
    if (!given.ok) return fail(given.error.problem);
    const opened = await openDownload(fetch, given.value, {
      method: "GET",
      key: backup.key,
      headers: { Range: `bytes=${start}-${end - 1}` },
      signal,
      headersMs: ANSWER_MS,
    });
    if (opened.ok) return opened;
    return opened.error.unauthorized && refused === undefined
      ? open(start, end, signal, given.value.token)
      : fail(opened.error.problem);
  };

  const read = async (start: number, end: number, signal: AbortSignal): Promise<Result<Uint8Array, Problem>> => {
    const opened = await open(start, end, signal);
    if (!opened.ok) return opened;
    const { status, headers } = opened.value;
    const date = headers.get("last-modified");
    const whole = headers.get("content-range") === `bytes ${start}-${end - 1}/${backup.size}`;
    if (status !== 206 || !whole || (modified !== null && date !== modified)) {
      await opened.value.body?.cancel();
      return fail(problem("backup_changed"));
    }
    modified = date;
    try {
      const bytes = new Uint8Array(await opened.value.arrayBuffer());
      return bytes.length === end - start ? ok(bytes) : fail(problem("upstream_invalid"));
    } catch {
      return fail(problem("upstream_unreachable"));
    }
  };

  return async (start, end) => {
    // Not AbortSignal.timeout: its timer cannot be cleared, and an object may hold only so many.
    const cut = new AbortController();
    const timer = setTimeout(() => cut.abort(), ANSWER_MS);
    try {
      return await read(start, end, cut.signal);
    } finally {
      clearTimeout(timer);
    }
  };
}
