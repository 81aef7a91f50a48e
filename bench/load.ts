import { connect, type Socket } from "node:net";
import { ResponseReader } from "./response-reader.ts";

export type Load = {
  port: number;
  /** A whole request as it goes over the wire. */
  request: string;
  /** The one status that counts as an answer; another ends the run with an error. */
  expect: number;
  concurrency: number;
  /** No request begins after this. */
  seconds: number;
  /** Or after so many. */
  most?: number;
};

export type Loaded = {
  requests: number;
  seconds: number;
  perSecond: number;
  /** Of each request, from its first byte out to the last byte in. */
  milliseconds: number[];
  bodyBytes: number;
};

/** Bytes per read: larger pieces cost the client less CPU, which the servers under test then have. */
const PIECE = 1024 * 1024;

export const requestText = (method: string, path: string, headers: Record<string, string> = {}): string =>
  `${method} ${path} HTTP/1.1\r\nHost: bench.local\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`;

/**
 * Sends one request over and over on `concurrency` kept connections, each waiting for its answer before the next
 * (no pipelining), until the time or the count is used up. The clock starts when all connections stand.
 */
export async function load(what: Load): Promise<Loaded> {
  const bytes = Buffer.from(what.request, "latin1");
  const head = what.request.startsWith("HEAD ");
  const milliseconds: number[] = [];
  let begun = 0;
  let bodyBytes = 0;
  let until = Number.POSITIVE_INFINITY;
  const more = () => begun < (what.most ?? Number.POSITIVE_INFINITY) && performance.now() < until;

  const open = (): Promise<Connection> =>
    new Promise((resolve, reject) => {
      const connection = new Connection(what.port);
      connection.socket.once("connect", () => resolve(connection));
      connection.socket.once("error", reject);
    });
  const one = async (first: Connection) => {
    let connection = first;
    try {
      while (more()) {
        begun++;
        const since = performance.now();
        const answer = await connection.exchange(bytes, head);
        milliseconds.push(performance.now() - since);
        if (answer.status !== what.expect) throw new Error(`status ${answer.status} instead of ${what.expect}`);
        bodyBytes += answer.bodyBytes;
        if (answer.closes) {
          connection.socket.destroy();
          connection = await open();
        }
      }
    } finally {
      connection.socket.destroy();
    }
  };

  const connections = await Promise.all(Array.from({ length: what.concurrency }, open));
  const started = performance.now();
  until = started + what.seconds * 1000;
  await Promise.all(connections.map(one));
  const seconds = (performance.now() - started) / 1000;
  return { requests: milliseconds.length, seconds, perSecond: milliseconds.length / seconds, milliseconds, bodyBytes };
}

/** One kept connection with one request under way at most. */
class Connection {
  readonly socket: Socket;
  private reader: ResponseReader | null = null;
  private settle: { done(answer: ResponseReader): void; failed(error: Error): void } | null = null;

  constructor(port: number) {
    const buffer = Buffer.allocUnsafe(PIECE);
    const callback = (size: number): boolean => {
      this.read(buffer.subarray(0, size));
      return true;
    };
    this.socket = connect({ host: "127.0.0.1", port, noDelay: true, onread: { buffer, callback } });
    this.socket.on("error", (error) => this.fail(error));
    this.socket.on("close", () => {
      if (this.reader?.closed()) this.finish();
      else this.fail(new Error("the server closed the connection in the middle of an answer"));
    });
  }

  exchange(request: Buffer, head: boolean): Promise<ResponseReader> {
    this.reader = new ResponseReader(head);
    return new Promise((done, failed) => {
      this.settle = { done, failed };
      this.socket.write(request);
    });
  }

  private read(piece: Buffer): void {
    try {
      this.reader?.feed(piece);
    } catch (error) {
      this.fail(error as Error);
    }
    if (this.reader?.done) this.finish();
  }

  private finish(): void {
    const { settle, reader } = this;
    this.settle = null;
    this.reader = null;
    settle?.done(reader!);
  }

  private fail(error: Error): void {
    this.settle?.failed(error);
    this.settle = null;
  }
}
