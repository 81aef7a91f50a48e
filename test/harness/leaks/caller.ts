import { Agent, type IncomingMessage, request } from "node:http";
import type { Place, Secret } from "./search.ts";

/** What one call was answered, all of it; `cut` when the transfer broke off. */
export type Exchange = Place & { method: string; path: string; status: number; body: Buffer; cut: boolean };

export type Call = {
  /** The credential, as the header's whole value. */
  auth?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Leaves after so many bytes of the answer's body. */
  leaveAfter?: number;
  /** Leaves when this long nothing more came, in ms: for streams without an end. */
  leaveWhenQuietMs?: number;
  /** Promises so many bytes more than it sends, and leaves. */
  promisedMore?: number;
};

/** Calls the relay as no library does: raw paths, half bodies, and every byte of the answer kept. */
export class Caller {
  readonly exchanges: Exchange[] = [];
  readonly secrets = new Map<string, Secret>();
  private readonly agent = new Agent({ keepAlive: true });
  private readonly relay: { url: string };

  constructor(relay: { url: string }) {
    this.relay = relay;
  }

  /** Something that no other place may show than the answers named. */
  keep(what: string, text: string, ...shownIn: Place[]): string {
    const secret = this.secrets.get(text) ?? { what, text, places: new Set() };
    for (const { place } of shownIn) secret.places.add(place);
    this.secrets.set(text, secret);
    return text;
  }

  async call(method: string, path: string, call: Call = {}): Promise<Exchange> {
    const answer = await this.send(method, path, call);
    const kept = {
      ...answer,
      place: `response ${this.exchanges.length}: ${method} ${path.split("?")[0]}`,
      method,
      path,
    };
    this.exchanges.push(kept);
    return kept;
  }

  /** JSON in, JSON out; throws when the status is not the one that was expected. */
  async json<T>(method: string, path: string, auth: string, body: unknown, status: number): Promise<[T, Exchange]> {
    const headers = { "content-type": "application/json" };
    const given = body === undefined ? {} : { headers, body: JSON.stringify(body) };
    const answer = await this.call(method, path, { auth, ...given });
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return [(answer.body.length === 0 ? null : JSON.parse(String(answer.body))) as T, answer];
  }

  end(): void {
    this.agent.destroy();
  }

  private send(method: string, path: string, call: Call) {
    const { auth, body, promisedMore = 0 } = call;
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body) + promisedMore) };
    const { hostname, port } = new URL(this.relay.url);
    const headers = { ...(auth === undefined ? {} : { authorization: auth }), ...length, ...call.headers };
    return new Promise<Pick<Exchange, "status" | "bytes" | "body" | "cut">>((resolve) => {
      const nothing = { status: 0, bytes: Buffer.alloc(0), body: Buffer.alloc(0), cut: true };
      const asking = request({ hostname, port, path, method, headers, agent: this.agent }, (response) =>
        resolve(received(response, call)),
      );
      asking.on("error", () => resolve(nothing));
      if (promisedMore === 0) asking.end(body);
      else asking.write(body ?? "", () => setTimeout(() => asking.destroy(), 100));
    });
  }
}

async function received(response: IncomingMessage, { leaveAfter, leaveWhenQuietMs }: Call) {
  const pieces: Buffer[] = [];
  let quiet: NodeJS.Timeout | undefined;
  const stir = () => {
    clearTimeout(quiet);
    if (leaveWhenQuietMs) quiet = setTimeout(() => response.destroy(), leaveWhenQuietMs);
  };
  stir();
  try {
    let size = 0;
    for await (const piece of response as AsyncIterable<Buffer>) {
      pieces.push(piece);
      stir();
      size += piece.length;
      if (leaveAfter !== undefined && size >= leaveAfter) break;
    }
  } catch {
    // Cut, or left: what came is kept.
  }
  clearTimeout(quiet);
  const lines = [...response.rawHeaders, ...response.rawTrailers];
  const head = `HTTP/${response.httpVersion} ${response.statusCode} ${response.statusMessage}\n${lines.join("\n")}\n\n`;
  const body = Buffer.concat(pieces);
  return {
    status: response.statusCode!,
    bytes: Buffer.concat([Buffer.from(head), body]),
    body,
    cut: !response.complete,
  };
}
