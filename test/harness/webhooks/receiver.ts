import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export type Hooked = { path: string; headers: IncomingHttpHeaders; body: string; at: number };

/** Answers one request; the default is 200 at once. */
export type Answer = (response: ServerResponse, request: Hooked) => void;

const fine: Answer = (response) => void response.end("ok");

/** A receiver on 127.0.0.1 that notes everything; each path may answer in its own way. */
export class HookReceiver {
  readonly got: Hooked[] = [];
  readonly manners = new Map<string, Answer>();
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (piece) => {
      body += piece;
    });
    request.on("end", () => {
      const hooked = { path: request.url ?? "", headers: request.headers, body, at: performance.now() };
      this.got.push(hooked);
      (this.manners.get(hooked.path) ?? fine)(response, hooked);
    });
  });
  private port = 0;

  async start(): Promise<this> {
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  at(path: string): Hooked[] {
    return this.got.filter((each) => each.path === path);
  }

  /** Ids at a path, without tests. */
  ids(path: string): string[] {
    return this.at(path).map(({ headers }) => String(headers["webhook-id"]));
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
