import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { root } from "../../../scripts/root.ts";
import { zip } from "../archive/zip.ts";
import type { Outcome } from "../clients.ts";
import { type Act, type Row, row } from "./rows.ts";
import type { Side } from "./sides.ts";

/** A request as a client puts it on the wire; `{{…}}` stands for what differs between runs. */
type Recorded = {
  name: string;
  /** Request line and headers. */
  head: string[];
  body?: string;
  status: number;
  given?: string[];
  after?: string[];
  /** Where the relay's answer is another on purpose. */
  differs?: string;
};
type Recording = { client: string; how: string; requests: Recorded[] };

/** The smallest file that passes as a ZIP. */
const emptyZip = Buffer.from(zip([]));

/** The rows of one client's recording (`wire/*.json`): what it sends, byte for byte, to both sides. */
export function wireRows(file: string): Row[] {
  const text = readFileSync(join(root, "test", "conformance", "wire", `${file}.json`), "utf8");
  const { client, requests } = JSON.parse(text) as Recording;
  return requests.map(({ name, status, given, after, differs, ...request }) =>
    row(`${client}: ${name}`, replay(request), status, undefined, {
      ...(given ? { given } : {}),
      ...(after ? { after } : {}),
      ...(differs ? { relay: { differs, body: {} } } : {}),
    }),
  );
}

const replay =
  ({ head, body }: Pick<Recorded, "head" | "body">): Act =>
  (side) => {
    const [before, after] = (body ?? "").split("{{zip}}");
    const bytes = after === undefined ? [before!] : [before!, emptyZip, after];
    const content = Buffer.concat(bytes.map((piece) => Buffer.from(piece)));
    const text = `${head.join("\r\n")}\r\n\r\n`;
    return exchange(side, Buffer.concat([Buffer.from(filled(text, side, content.length)), content]));
  };

const filled = (text: string, side: Side, length: number): string =>
  text
    .replace("{{host}}", new URL(side.url).host)
    .replace("{{token}}", side.superuser.pb.authStore.token)
    .replace("{{ticket}}", side.credential("F"))
    .replace("{{length}}", String(length));

/** Sends the bytes on a connection of their own and reads one answer of known length. */
function exchange(side: Side, bytes: Buffer): Promise<Outcome> {
  const { hostname, port } = new URL(side.url);
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(port), hostname, () => socket.write(bytes));
    let got = Buffer.alloc(0);
    socket.setTimeout(30_000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.on("data", (piece) => {
      got = Buffer.concat([got, piece]);
      const answer = parsed(got);
      if (!answer) return;
      socket.destroy();
      resolve(answer);
    });
    socket.on("end", () => reject(new Error(`the connection ended after ${got.toString("latin1").slice(0, 300)}`)));
  });
}

function parsed(got: Buffer): Outcome | null {
  const end = got.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [first, ...lines] = got.subarray(0, end).toString("latin1").split("\r\n");
  const headers = new Headers(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
  const status = Number(first!.split(" ")[1]);
  const length = status === 204 ? 0 : headers.get("content-length");
  if (length === null) throw new Error(`an answer of unknown length: ${lines.join(", ")}`);
  const bytes = got.subarray(end + 4);
  if (bytes.length < Number(length)) return null;
  const isJson = headers.get("content-type")?.startsWith("application/json");
  const body = bytes.length === 0 ? null : isJson ? JSON.parse(bytes.toString()) : bytes.toString("base64");
  return { status, headers, body, bytes };
}
