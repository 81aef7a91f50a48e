import { connect } from "node:net";
import { ResponseReader } from "./response-reader.ts";

export type Sending = {
  port: number;
  /** The request line and headers, `Content-Length` included. */
  head: string;
  /** What stands before and after the file in the body. */
  before?: string;
  after?: string;
  /** Of the file: it begins as a ZIP does and is zeros then. */
  bytes: number;
  expect: number;
};

/** The header of a stored entry `a.bin` (APPNOTE 4.3.7): the server tells a ZIP by more than its first four bytes. */
const ZIP_START = `PK\x03\x04\x14${"\0".repeat(21)}\x05\0\0\0a.bin`;
const PIECE = Buffer.alloc(1024 * 1024);

/** Uploads a made-up file on a connection of its own, as fast as it is taken; over when the answer is there. */
export function send({ port, head, before = "", after = "", bytes, expect }: Sending): Promise<{ seconds: number }> {
  return new Promise((resolve, reject) => {
    const reader = new ResponseReader(false);
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    let started = 0;
    let left = bytes - ZIP_START.length;
    const push = () => {
      while (left > 0) {
        const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
        left -= piece.length;
        if (!socket.write(piece)) return;
      }
      if (left === 0) {
        left = -1;
        socket.write(after);
      }
    };
    socket.on("connect", () => {
      started = performance.now();
      socket.write(Buffer.from(head + before + ZIP_START, "latin1"));
      push();
    });
    socket.on("drain", push);
    let answer = "";
    socket.on("data", (piece) => {
      answer += piece.toString("latin1");
      reader.feed(piece);
      if (!reader.done) return;
      socket.destroy();
      if (reader.status === expect) resolve({ seconds: (performance.now() - started) / 1000 });
      else reject(new Error(`not ${expect}: ${answer.slice(0, 1000)}`));
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection was closed before the answer")));
  });
}
