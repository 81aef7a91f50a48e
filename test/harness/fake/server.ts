import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { type FakeOptions, FakeUpstream } from "./upstream.ts";

export type FakeServer = {
  /** Without a trailing slash; ends in the prefix when there is one. */
  url: string;
  fake: FakeUpstream;
  /** Connections open right now. */
  connections(): number;
  /** Cuts every connection and stops listening. */
  stop(): Promise<void>;
};

/** The request's raw path goes to `URL()`, which folds dot segments as Go's mux would redirect them. */
function asRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2)
    headers.append(incoming.rawHeaders[at]!, incoming.rawHeaders[at + 1]!);
  const { method = "GET", url = "/" } = incoming;
  const hasBody = method !== "GET" && method !== "HEAD";
  const body = hasBody ? (Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array>) : null;
  return new Request(`http://127.0.0.1${url}`, { method, headers, body, signal, duplex: "half" } as RequestInit);
}

async function write(outgoing: ServerResponse, piece: Uint8Array): Promise<void> {
  if (outgoing.write(piece)) return;
  await new Promise<void>((resolve) => {
    const go = () => {
      outgoing.off("drain", go).off("close", go);
      resolve();
    };
    outgoing.once("drain", go).once("close", go);
  });
}

/** Sends an answer; a body shorter than its Content-Length ends in a plain close, as PocketBase's own cut does. */
async function send(response: Response, outgoing: ServerResponse, head: boolean): Promise<void> {
  outgoing.sendDate = false;
  outgoing.writeHead(response.status, [...response.headers].flat());
  let sent = 0;
  if (response.body && !head)
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      sent += piece.byteLength;
      await write(outgoing, piece);
      if (outgoing.destroyed) return;
    }
  const promised = response.headers.get("Content-Length");
  const short = !head && response.status !== 304 && promised !== null && sent < Number(promised);
  if (short) outgoing.socket?.end();
  else outgoing.end();
}

/** The fake over real HTTP on 127.0.0.1. Faults that close connections close real sockets. */
export async function startFake(options: FakeOptions = {}): Promise<FakeServer> {
  const fake = new FakeUpstream(options);
  const sockets = new Set<Socket>();
  const server = createServer({ keepAliveTimeout: 5000 }, (incoming, outgoing) => {
    const over = new AbortController();
    outgoing.once("close", () => over.abort());
    const head = incoming.method === "HEAD";
    fake
      .fetch(asRequest(incoming, over.signal))
      .then((response) => send(response, outgoing, head))
      .catch(() => incoming.socket.destroy());
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${options.prefix ?? ""}`,
    fake,
    connections: () => sockets.size,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
