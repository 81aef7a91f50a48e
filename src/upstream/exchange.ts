import type { Clock } from "../base/clock.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { readText } from "../http/body.ts";
import { userAgent } from "./other-relays.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How one server is reached. */
export type Wire = {
  /** As `baseUrl()` in address.ts returns it. */
  baseUrl: string;
  /** Extra headers the server's tunnel or proxy asks for; they never replace the relay's own. */
  headers: Record<string, string>;
  fetch: Fetch;
  clock: Clock;
  /** What tells this instance from others that use the server: in its log and in canaries. */
  mark?: string | undefined;
};

export type UpstreamCall = {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Starts with `/api/`; already percent-encoded. */
  path: string;
  token?: string;
  body?: unknown;
  /** Longest answer read, in bytes. */
  cap: number;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
};

export type UpstreamAnswer = {
  status: number;
  headers: Headers;
  text: string;
  /** `undefined` when the body is not JSON. */
  json: unknown;
  latencyMs: number;
};

/** Why there is no answer to judge. */
export type Silence = "timeout" | "unreachable" | "too_large";

/** `undefined` instead of an exception: a proxy's page is not JSON. */
export const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * Headers of a request to the server: the instance's extra ones below, the relay's own on top, nothing of the caller's.
 * Identity coding, because a recompressing proxy would change the length and the bytes that are compared.
 */
export function outgoingHeaders(extra: Record<string, string>, own: Record<string, string>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const some of [extra, { "accept-encoding": "identity" }, own])
    for (const [name, value] of Object.entries(some)) headers[name.toLowerCase()] = value;
  return headers;
}

/** Redirects are answers, not directions: following one would carry the token to wherever it points. */
export const outgoing = { redirect: "manual", cache: "no-store" } as const satisfies RequestInit;

/**
 * One request and its whole answer. Ends after `timeoutMs`, counted over headers and body, or with the caller's signal;
 * both read as a time-out, since the server goes on with what it was asked. Never throws.
 */
export async function exchange(wire: Wire, call: UpstreamCall): Promise<Result<UpstreamAnswer, Silence>> {
  const send = wire.fetch;
  // Not AbortSignal.timeout: its timer would outlive a quick answer and keep the Durable Object awake for minutes.
  const cut = new AbortController();
  const timer = setTimeout(() => cut.abort(), call.timeoutMs);
  const signal = call.signal ? AbortSignal.any([cut.signal, call.signal]) : cut.signal;
  const own: Record<string, string> = { Accept: "application/json" };
  if (call.token) own.Authorization = call.token;
  if (call.body !== undefined) own["Content-Type"] = "application/json";
  const started = wire.clock();
  try {
    const response = await send(wire.baseUrl + call.path, {
      ...outgoing,
      method: call.method,
      headers: outgoingHeaders(
        wire.mark === undefined ? wire.headers : { "User-Agent": userAgent(wire.mark), ...wire.headers },
        own,
      ),
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal,
    });
    const latencyMs = wire.clock() - started;
    const text = await readText(response.body, call.cap);
    if (text === null) return fail("too_large");
    return ok({ status: response.status, headers: response.headers, text, json: parsed(text), latencyMs });
  } catch {
    return fail(signal.aborted ? "timeout" : "unreachable");
  } finally {
    clearTimeout(timer);
  }
}
