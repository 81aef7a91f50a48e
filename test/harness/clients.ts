import { Agent, request as httpRequest, type OutgoingHttpHeaders } from "node:http";
import PocketBase, { ClientResponseError } from "pocketbase";

/** What came back of one call, whichever client made it. */
export type Outcome = {
  status: number;
  headers: Headers;
  /** JSON when the answer says so, else its text; null when it is empty. */
  body: unknown;
  /** As they came; empty for the SDK, which keeps none. */
  bytes: Buffer;
};

export type RawRequest = {
  /** Sent as `Authorization`; without it, no such header. */
  as?: string | undefined;
  headers?: OutgoingHttpHeaders;
  body?: string | Buffer | undefined;
  /** Sends the body with unknown length. */
  chunked?: boolean;
  /** A loopback address to call from. */
  from?: string;
};

const agent = new Agent({ keepAlive: true });

/** One request with its path byte for byte as given: `fetch` would fold `..` and `%2e%2e` before anyone sees them. */
export function raw(url: string, method: string, path: string, request: RawRequest = {}): Promise<Outcome> {
  const { as, body, chunked, from } = request;
  const { hostname, port } = new URL(url);
  const headers: OutgoingHttpHeaders = { ...(as === undefined ? {} : { authorization: as }), ...request.headers };
  if (body !== undefined && !chunked) headers["content-length"] = Buffer.byteLength(body);
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { hostname, port, method, path, headers, agent: from ? false : agent, localAddress: from, timeout: 110_000 },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part) => parts.push(part));
        answer.on("error", reject);
        answer.on("end", () => {
          const bytes = Buffer.concat(parts);
          const pairs = Object.entries(answer.headersDistinct).flatMap(([name, values]) =>
            (values ?? []).map((value): [string, string] => [name, value]),
          );
          const shown = new Headers(pairs);
          resolve({ status: answer.statusCode!, headers: shown, body: readable(bytes, shown), bytes });
        });
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer`)));
    sent.on("error", reject);
    if (chunked && body !== undefined) sent.write(body);
    sent.end(chunked ? undefined : body);
  });
}

function readable(bytes: Buffer, headers: Headers): unknown {
  if (bytes.length === 0) return null;
  const type = headers.get("content-type") ?? "";
  if (type.startsWith("application/json")) return JSON.parse(bytes.toString("utf8"));
  return type.startsWith("text/") ? bytes.toString("utf8") : bytes.toString("base64");
}

/** The official SDK, and what came back of its calls. */
export type Sdk = {
  pb: PocketBase;
  /** The answer of one call: the SDK itself throws on every status from 400 on. */
  call(act: (pb: PocketBase) => Promise<unknown>): Promise<Outcome>;
};

export function sdk(url: string): Sdk {
  const pb = new PocketBase(url);
  pb.autoCancellation(false);
  let last: Outcome | null = null;
  pb.afterSend = (answer, data) => {
    const empty = answer.status === 204;
    last = { status: answer.status, headers: answer.headers, body: empty ? null : data, bytes: Buffer.alloc(0) };
    return data;
  };
  return {
    pb,
    async call(act) {
      last = null;
      try {
        const value = await act(pb);
        if (last === null) throw new TypeError("the SDK sent nothing");
        // Calls without an answer of their own resolve to `true`.
        if ((last as Outcome).status === 204 && value !== true) throw new TypeError("the SDK did not resolve to true");
        return last;
      } catch (error) {
        if (error instanceof ClientResponseError && last !== null && (last as Outcome).status >= 400) return last;
        throw error;
      }
    },
  };
}
