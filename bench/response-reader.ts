/** What may follow the head of an answer (RFC 9112 §6.3). */
type Body = "none" | "length" | "chunked" | "close";

/**
 * Follows one HTTP/1.1 answer through the pieces a socket gives, without keeping any of it: where it ends, its status and
 * the bytes of its body. Only as strict as a load generator needs to be that trusts its own servers.
 */
export class ResponseReader {
  status = 0;
  bodyBytes = 0;
  /** The whole answer was seen. */
  done = false;
  /** The server closes the connection after this answer. */
  closes = false;
  private readonly bodiless: boolean;
  private head = "";
  private body: Body | null = null;
  /** Of the body or of the chunk under way. */
  private left = 0;
  private line = "";
  private inChunk = false;
  private lastChunk = false;

  /** `bodiless`: the answer to a HEAD. */
  constructor(bodiless: boolean) {
    this.bodiless = bodiless;
  }

  /** Takes the next piece. Throws when more comes than belongs to one answer. */
  feed(piece: Buffer): void {
    let at = this.body === null ? this.feedHead(piece) : 0;
    while (at < piece.length && !this.done) at = this.feedBody(piece, at);
    if (at < piece.length) throw new Error("the server sent more than one answer");
  }

  /** The connection ended; true when that is how the answer ends. */
  closed(): boolean {
    if (this.body === "close") this.done = true;
    return this.done;
  }

  private feedHead(piece: Buffer): number {
    const before = this.head.length;
    this.head += piece.toString("latin1", 0, Math.min(piece.length, 65_536));
    const end = this.head.indexOf("\r\n\r\n");
    if (end < 0) return piece.length;
    const head = this.head.slice(0, end);
    this.head = "";
    this.status = Number(head.slice(9, 12));
    this.closes = /\r\nconnection: *close/i.test(head);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    if (this.bodiless || this.status === 204 || this.status === 304) this.body = "none";
    else if (/\r\ntransfer-encoding: *chunked/i.test(head)) this.body = "chunked";
    else if (length) {
      this.body = "length";
      this.left = Number(length[1]);
    } else this.body = "close";
    this.done = this.body === "none" || (this.body === "length" && this.left === 0);
    return end + 4 - before;
  }

  private feedBody(piece: Buffer, at: number): number {
    if (this.body === "close") return this.take(piece.length - at, at);
    if (this.body === "length" || this.inChunk) {
      const taken = Math.min(this.left, piece.length - at);
      this.left -= taken;
      if (this.left === 0) {
        if (this.body === "length") this.done = true;
        this.inChunk = false;
      }
      return this.take(taken, at);
    }
    return this.feedLine(piece, at);
  }

  /** A chunk's size, the line end after its bytes, or a trailer. */
  private feedLine(piece: Buffer, at: number): number {
    const end = piece.indexOf(10, at);
    this.line += piece.toString("latin1", at, end < 0 ? piece.length : end + 1);
    if (end < 0) return piece.length;
    const text = this.line.trim();
    this.line = "";
    if (this.lastChunk) this.done = text === "";
    else if (text !== "") {
      this.left = Number.parseInt(text, 16);
      this.lastChunk = this.left === 0;
      this.inChunk = this.left > 0;
    }
    return end + 1;
  }

  private take(bytes: number, at: number): number {
    this.bodyBytes += bytes;
    return at + bytes;
  }
}
