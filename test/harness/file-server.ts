import { ok } from "../../src/base/result.ts";
import type { DownloadCall, Healing, TransferEnd } from "../../src/transfers/download-call.ts";

export const DATE = "Mon, 23 Nov 2026 00:17:13 GMT";
export const OTHER_DATE = "Mon, 23 Nov 2026 00:18:00 GMT";

/** What one answer does wrong; nothing named is done right. */
export type Fault = {
  /** The body stops after so many bytes, by an error or by a plain end. */
  cut?: number;
  how?: "error" | "end";
  status?: number;
  json?: unknown;
  date?: string | null;
  total?: number;
  ignoresRange?: boolean;
  /** Answers a range that begins so many bytes later. */
  shift?: number;
  headers?: Record<string, string | null>;
  /** Sends so many bytes more than it announced. */
  extra?: number;
  throws?: boolean;
  /** Sends nothing after `cut` bytes and stays open. */
  hangs?: boolean;
};

type Asked = { url: URL; method: string; headers: Headers; signal: AbortSignal };

/** A stream of the bytes that ends as the fault says. */
function body(bytes: Uint8Array, { cut, how, hangs, extra }: Fault): ReadableStream<Uint8Array> {
  const pipe = new IdentityTransformStream();
  const work = async () => {
    const writer = pipe.writable.getWriter();
    const end = cut ?? bytes.length;
    for (let at = 0; at < end; at += 100_000) await writer.write(bytes.subarray(at, Math.min(at + 100_000, end)));
    if (hangs) return;
    if (extra) await writer.write(new Uint8Array(extra));
    if (cut !== undefined && how !== "end") await writer.abort(new Error("connection reset"));
    else await writer.close();
  };
  work().catch(() => {});
  return pipe.readable;
}

/** A stand-in for the server's download endpoint (Go `http.ServeContent`): each answer takes the next fault. */
export function fileServer(file: Uint8Array, faults: Fault[] = []) {
  const asked: Asked[] = [];
  const queue = [...faults];
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    const signal = init.signal!;
    const method = init.method!;
    asked.push({ url: new URL(url), method, headers, signal });
    const fault = queue.shift() ?? {};
    if (fault.throws) throw new TypeError("Network connection lost.");
    if (fault.status) {
      const own = new Headers();
      for (const [name, value] of Object.entries(fault.headers ?? {})) if (value) own.set(name, value);
      return new Response(fault.json === undefined ? null : JSON.stringify(fault.json), {
        status: fault.status,
        headers: own,
      });
    }
    const date = fault.date === undefined ? DATE : fault.date;
    const total = fault.total ?? file.length;
    const range = /^bytes=(\d*)-(\d*)$/.exec(headers.get("range") ?? "");
    const ifRange = headers.get("if-range");
    const partial = range !== null && !fault.ignoresRange && (ifRange === null || ifRange === date);
    let [start, end] = [0, total - 1];
    if (partial) {
      start = range[1] === "" ? total - Number(range[2]) : Number(range[1]);
      end = range[1] === "" || range[2] === "" ? total - 1 : Math.min(Number(range[2]), total - 1);
      start += fault.shift ?? 0;
    }
    const answer = new Headers({
      "content-type": "application/zip",
      "content-length": String(end - start + 1),
      "accept-ranges": "bytes",
      "cache-control": "max-age=2592000, stale-while-revalidate=86400",
      "set-cookie": "session=of-the-server",
      server: "nginx",
    });
    if (date) answer.set("last-modified", date);
    if (partial) answer.set("content-range", `bytes ${start}-${end}/${total}`);
    for (const [name, value] of Object.entries(fault.headers ?? {})) {
      if (value === null) answer.delete(name);
      else answer.set(name, value);
    }
    const bytes = file.subarray(start, end + 1);
    return new Response(method === "HEAD" ? null : body(bytes, fault), {
      status: partial ? 206 : 200,
      headers: answer,
    });
  };
  return { fetch, asked };
}

export type Doing = Partial<Omit<DownloadCall, "request">> & {
  method?: "GET" | "HEAD";
  headers?: Record<string, string>;
  signal?: AbortSignal;
};

/** A whole call: time that stands still, waits that are over at once, a caller who is always admitted. */
export function callOf(server: { fetch: DownloadCall["fetch"] }, size: number, healing: Healing, doing: Doing = {}) {
  const ends: TransferEnd[] = [];
  const work: Promise<void>[] = [];
  const opened: boolean[] = [];
  const slept: number[] = [];
  const { method, headers, signal, ...rest } = doing;
  const call: DownloadCall = {
    request: { method: method ?? "GET", headers: new Headers(headers), signal: signal ?? new AbortController().signal },
    moving: false,
    backup: { key: "backup.zip", size },
    async authorize(tokenRefused) {
      opened.push(tokenRefused);
      return ok({
        baseUrl: "https://pb.example/base",
        headers: { "x-tunnel": "extra" },
        token: `token-${opened.length}`,
        expires: 0,
      });
    },
    refusal: async () => null,
    healing,
    metered: true,
    fetch: server.fetch,
    clock: () => 0,
    sleep: (ms, until) => {
      // A minute is what a silent server is given; nothing in here is silent unless it means to be.
      if (ms >= 60_000) return new Promise((resolve) => until?.addEventListener("abort", () => resolve()));
      slept.push(ms);
      return Promise.resolve();
    },
    random: (count) => new Uint8Array(count),
    onEnd: (end) => void ends.push(end),
    background: (promise) => void work.push(promise),
    ...rest,
  };
  return { call, ends, opened, slept, settled: () => Promise.all(work) };
}

export const pattern = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  let state = 12345;
  for (let at = 0; at < length; at++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    bytes[at] = state >> 16;
  }
  return bytes;
};

export const digest = async (bytes: Uint8Array): Promise<string> =>
  [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
