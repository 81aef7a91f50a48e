import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { vi } from "vitest";

/** One request; `at` in ms of the process's own clock. */
export type Received = { path: string; headers: IncomingHttpHeaders; body: string; at: number };

/** Answers one request; the default is 200 at once. */
export type Answer = (response: ServerResponse, request: Received) => void;

const fine: Answer = (response) => void response.end("ok");

/** An HTTP server on 127.0.0.1 that notes every request; each path may be answered in its own way. */
export class Receiver {
  readonly got: Received[] = [];
  /** By path, with its query. */
  readonly answers = new Map<string, Answer>();
  /** How many connections were ever opened to it. */
  connections = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const received = { path: request.url ?? "", headers: request.headers, body, at: performance.now() };
      this.got.push(received);
      (this.answers.get(received.path) ?? fine)(response, received);
    });
  });
  private port = 0;

  /** On a port of its own, or on the one named, which is waited for while another process holds it. */
  async start(port = 0): Promise<this> {
    this.server.on("connection", (socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    });
    this.server.on("clientError", (_, socket) => socket.destroy());
    await vi.waitUntil(() => this.listens(port), { timeout: 60_000, interval: 200 });
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** What came to a path, whatever the query. */
  at(path: string): Received[] {
    return this.got.filter((each) => each.path === path || each.path.split("?")[0] === path);
  }

  /** The `webhook-id` of each request to a path, in order. */
  ids(path: string): string[] {
    return this.at(path).map(({ headers }) => String(headers["webhook-id"]));
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private listens(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const taken = () => resolve(false);
      this.server.once("error", taken);
      this.server.listen(port, "127.0.0.1", () => {
        this.server.off("error", taken);
        resolve(true);
      });
    });
  }
}
