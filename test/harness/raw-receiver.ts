import { type AddressInfo, createServer, type Socket } from "node:net";

/** What a path does with the connection once a request has arrived whole. */
export type RawAnswer = (socket: Socket) => void;

/** A receiver on 127.0.0.1 that writes what it likes, HTTP or not. */
export class RawReceiver {
  readonly answers = new Map<string, RawAnswer>();
  readonly got: { path: string; id: string }[] = [];
  /** Connections and the path of the last request on each: the relay uses one for whatever goes to this port. */
  private readonly last = new Map<Socket, string>();
  private readonly server = createServer((socket) => this.serve(socket));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`;
  }

  ids(path: string): string[] {
    return this.got.filter((one) => one.path === path).map(({ id }) => id);
  }

  /** How many connections are open whose last request was to this path. */
  open(path: string): number {
    return [...this.last.values()].filter((each) => each === path).length;
  }

  async stop(): Promise<void> {
    for (const socket of this.last.keys()) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private serve(socket: Socket): void {
    this.last.set(socket, "");
    let text = "";
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.last.delete(socket));
    socket.on("data", (piece) => {
      // The first byte of a TLS handshake: no HTTP will follow.
      if (piece[0] === 0x16) return void socket.end();
      text += piece.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (end < 0 || text.length < end + 4 + length) return;
      const path = text.split(" ")[1]!;
      this.last.set(socket, path);
      this.got.push({ path, id: /\r\nwebhook-id: (\S+)/i.exec(text)?.[1] ?? "" });
      text = text.slice(end + 4 + length);
      (this.answers.get(path) ?? fine)(socket);
    });
  }
}

const fine: RawAnswer = (socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

/** Writes pieces until the other side closes, and never more than it takes. */
export const forever =
  (head: string, piece: Uint8Array, everyMs: number): RawAnswer =>
  (socket) => {
    socket.write(head);
    const timer = setInterval(() => {
      if (!socket.writableNeedDrain) socket.write(piece);
    }, everyMs);
    socket.on("close", () => clearInterval(timer));
  };
