import type { Strikes } from "./faults.ts";
import type { Replies } from "./reply.ts";

type Telltale = NonNullable<Strikes["telltale"]>;

/** Everything by which the caller could be known: what no answer should repeat. */
function carried(request: Request, words: string): string {
  const url = new URL(request.url);
  const token = request.headers.get("Authorization") ?? url.searchParams.get("token") ?? "";
  return `${token} ${words} ${url.pathname}${url.search} /srv/pb/pb_data/backups`;
}

/** An error that repeats the request: as a debugging proxy, a hook or an S3 store would. */
export function told(replies: Replies, { words, form = "json" }: Telltale, status: number, request: Request): Response {
  const text = carried(request, words);
  const code = { code: `validation_${words}`, message: text, params: { token: text } };
  const fields = { name: code, file: { ...code, code: "validation_match_invalid" }, identity: code, [words]: code };
  if (form === "json") return replies.raw(status, text, fields);
  if (form === "fields") return replies.invalid(fields);
  const xml = `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>${text}</Message><HostId>${words}</HostId></Error>`;
  const body = form === "xml" ? xml : `<!DOCTYPE html><title>${status}</title><pre>${text}</pre>`;
  const headers = replies.base();
  headers.set("Content-Type", form === "xml" ? "application/xml" : "text/html");
  return new Response(body, { status, headers });
}

/** Headers that repeat the request, on whatever answer there is. */
export function withTelltaleHeaders(response: Response, words: string, request: Request): void {
  const token = request.headers.get("Authorization") ?? new URL(request.url).searchParams.get("token") ?? "";
  const text = `${token} ${words}`;
  for (const name of ["Set-Cookie", "X-Debug", "WWW-Authenticate", "Link", "Retry-After", "ETag", "Server", "Warning"])
    response.headers.set(name, text);
  response.headers.set("Content-Location", `/api/backups/x.zip?token=${encodeURIComponent(token)}&w=${words}`);
  response.headers.set("Content-Disposition", `attachment; filename="${words}.zip"`);
}
