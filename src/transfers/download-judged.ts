import type { Problem } from "../base/problem.ts";
import { ok, type Result } from "../base/result.ts";
import { entityTag, judgeTags, type TagConditions } from "../http/entity-tag.ts";
import { type Conditions, lastModified } from "../http/forward.ts";
import type { DownloadCall } from "./download-call.ts";
import { type First, openFirst } from "./download-first.ts";
import type { Piece } from "./download-open.ts";

/** The tag of the version that an answer of the server is about. */
export const tagOf = ({ backup }: DownloadCall, { headers }: Response): string | null =>
  entityTag(backup.key, backup.size, lastModified(headers));

type Asked = { sent: Conditions; tags: TagConditions };

/** Opens the backup as `openFirst` does, and answers as the caller's tags ask of the version that the server has. */
export async function openJudged(
  call: DownloadCall,
  { sent, tags }: Asked,
  gone: AbortSignal,
): Promise<Result<First, Problem>> {
  const opened = await openFirst(call, sent, gone);
  const tagged = tags.match !== null || tags.noneMatch !== null || tags.range !== null;
  if (!opened.ok || !tagged || opened.value.status === 412) return opened;
  const { Range: _range, ...whole } = sent;
  if (opened.value.status === 416) return judgeWhole(call, opened.value, await openFirst(call, whole, gone), tags);
  const { piece } = opened.value;
  const verdict = judgeTags(tags, tagOf(call, piece.response));
  if (verdict === "go_on" || (verdict === "whole" && !sent.Range)) return opened;
  piece.close();
  return verdict === "whole"
    ? openJudged(call, { sent: whole, tags: { ...tags, range: null } }, gone)
    : ok(withoutBody(piece, verdict));
}

/** A refusal of a range does not say of which version it is: the whole file, opened for that, does. */
function judgeWhole(
  call: DownloadCall,
  refused: First,
  opened: Result<First, Problem>,
  tags: TagConditions,
): Result<First, Problem> {
  const verdict = opened.ok ? judgeTags(tags, tagOf(call, opened.value.piece.response)) : "whole";
  if (verdict !== "go_on") refused.piece.close();
  if (!opened.ok || verdict === "whole") return opened;
  opened.value.piece.close();
  return ok(verdict === "go_on" ? refused : withoutBody(opened.value.piece, verdict));
}

/** The server's answer turned into the one that Go's `http.ServeContent` gives when a condition settles it. */
function withoutBody({ response, close }: Piece, verdict: "precondition_failed" | "not_modified"): First {
  const status = verdict === "not_modified" ? 304 : 412;
  const headers = new Headers();
  for (const name of ["Content-Type", "Last-Modified"]) {
    const value = response.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return { piece: { response: new Response(null, { status, headers }), close }, status, pieces: null, begun: null };
}
