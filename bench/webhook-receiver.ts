import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";

export type Received = { path: string; id: string; at: number };

/** What the receiver of a path does; `ok` answers 200 at once. */
export type Behaviour = "ok" | "hang" | "trickle" | "fail";

const ANSWERS: Record<"ok" | "fail", Buffer> = {
  ok: Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
  fail: Buffer.from("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
};
const ENDING = Buffer.from("\r\n\r\n");

/**
 * As cheap as possible, so that the sender is what is measured: reads requests off the socket, records path,
 * `webhook-id` and time, and answers. The behaviour is the first segment of the path.
 */
export class Receiver {
  readonly received: Received[] = [];
  /** Called with the count so far. */
  onReceived: (count: number) => void = () => undefined;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor() {
    this.server = createServer({ noDelay: true }, (socket) => this.serve(socket));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return (this.server.address() as AddressInfo).port;
  }

  forget(): void {
    this.received.length = 0;
  }

  /** Resolves when so many requests were received in all, or after `ms`. */
  async until(count: number, ms: number): Promise<boolean> {
    if (this.received.length >= count) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      this.onReceived = (now) => {
        if (now < count) return;
        clearTimeout(timer);
        this.onReceived = () => undefined;
        resolve(true);
      };
    });
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let rest: Buffer = Buffer.alloc(0);
    socket.on("data", (piece) => {
      rest = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
      for (;;) {
        const end = rest.indexOf(ENDING);
        if (end < 0) return;
        const head = rest.toString("latin1", 0, end);
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (rest.length < end + 4 + length) return;
        rest = rest.subarray(end + 4 + length);
        const path = head.slice(5, head.indexOf(" ", 5));
        const id = /\r\nwebhook-id: (\S+)/i.exec(head)?.[1] ?? "";
        this.received.push({ path, id, at: performance.now() });
        this.answer(socket, path.split("/")[1] as Behaviour);
        this.onReceived(this.received.length);
      }
    });
  }

  private answer(socket: Socket, behaviour: Behaviour): void {
    if (behaviour === "hang") return;
    if (behaviour !== "trickle") {
      socket.write(ANSWERS[behaviour]);
      return;
    }
    socket.write("HTTP/1.1 200 OK\r\nX-Slow: ");
    const timer = setInterval(() => socket.write("x"), 1000);
    this.timers.add(timer);
    socket.on("close", () => clearInterval(timer));
  }
}
