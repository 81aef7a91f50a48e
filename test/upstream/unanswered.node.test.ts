import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttp, type RequestListener } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import type { Reached } from "../../src/http/reach.ts";
import type { UpstreamFault } from "../../src/upstream/backups-api.ts";
import { explained } from "../../src/upstream/unanswered.ts";
import { ownMount } from "../harness/own-mount.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { admin } from "../harness/relay-client.ts";
import { selfSigned } from "../harness/webhooks/certificate.ts";

const notFound: RequestListener = (_request, response) => void response.writeHead(404).end();

describe("a server that gives no answer, seen from plain workerd", () => {
  let relay: TestRelay;
  let folder: string;
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const listening = async (server: Server): Promise<number> => {
    servers.push(server);
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "relay-resolver-"));
    // Nobody resolves names here, and says so at once.
    const file = join(folder, "resolv.conf");
    await writeFile(file, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    relay = await startRelay({ within: ownMount('mount --bind "$0" /etc/resolv.conf', file) });
  });
  afterAll(async () => {
    await relay?.stop();
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const credential = { token: "t".repeat(20) };
  let named = 0;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into field by field
  const asked = async (path: string, body: object): Promise<any> =>
    (await admin(relay, path, { method: "POST", body })).json();
  /** What a registration is refused with. */
  const refused = async (url: string): Promise<[message: string, hint: string]> => {
    const { code, message, hint } = await asked("/v1/instances", { name: `i${++named}`, url, credential });
    expect([url, code]).toEqual([url, "check_failed"]);
    return [message, hint];
  };

  it("is told by its name, its certificate, its scheme, its port, and each with a way out", async () => {
    const certified = await listening(createHttps(selfSigned(), notFound));
    const plain = await listening(createHttp(notFound));
    const closing = await listening(createTcp((socket) => socket.end()));
    const closed = await freePort();
    expect(await refused("https://no-such-server.example.com")).toEqual([
      expect.stringMatching(/^The server's name does not resolve/),
      expect.stringMatching(/DNS record/),
    ]);
    expect(await refused(`https://127.0.0.1:${certified}`)).toEqual([
      expect.stringMatching(/certificate is not valid/),
      expect.stringMatching(/self-signed/),
    ]);
    expect(await refused(`https://localhost:${plain}/below`)).toEqual([
      expect.stringMatching(/speaks plain http/),
      expect.stringMatching(/Change the address to http:/),
    ]);
    for (const scheme of ["http", "https"])
      expect(await refused(`${scheme}://127.0.0.1:${closed}`)).toEqual([
        `The server refuses connections at port ${closed}.`,
        expect.stringMatching(/listens at another port/),
      ]);
    // A server with TLS that hangs up on plain http, as one that hangs up on everybody.
    for (const port of [certified, closing])
      expect(await refused(`http://127.0.0.1:${port}`)).toEqual([
        expect.stringMatching(/closes it without an answer/),
        expect.stringMatching(/begins with https/),
      ]);
  });

  it("is told so by a later check as well, with a code", async () => {
    const port = await listening(createHttps(selfSigned(), notFound));
    const url = `https://127.0.0.1:${port}`;
    expect(await asked("/v1/instances", { name: "forced", url, credential, force: true })).toMatchObject({ url });
    const check = await asked("/v1/instances/forced/check", {});
    expect(check).toMatchObject({ reachable: false, warnings: [{ code: "upstream_tls_failed" }] });
  });
});

describe("a time-out", () => {
  afterEach(() => void vi.useRealTimers());
  const silent = (_url: string, { signal }: RequestInit) =>
    new Promise<Response>((_, reject) => signal!.addEventListener("abort", () => reject(new Error("aborted"))));
  const fault: UpstreamFault = { problem: { code: "upstream_timeout" }, unclear: false, unauthorized: false };
  const told = async (reached: Reached) => {
    vi.useFakeTimers();
    const telling = explained(fault, "http://127.0.0.1:8090", silent, async () => reached);
    await vi.advanceTimersByTimeAsync(10_000);
    return (await telling).problem;
  };

  it("is told from a connection that nobody takes", async () => {
    expect(await told("made")).toMatchObject({
      code: "upstream_timeout",
      message: "The server takes the connection and does not answer in time.",
    });
    expect(await told("silent")).toMatchObject({
      code: "upstream_timeout",
      message: "Nothing takes the connection at port 8090 of the server.",
      hint: expect.stringMatching(/firewall/),
    });
  });
});

it("a fault that says itself what is in the way stays as it is, and so does each where no connection can be tried", async () => {
  const fetch = () => Promise.reject(new Error("Network connection lost."));
  const refusal: UpstreamFault = { problem: { code: "upstream_mfa" }, unclear: false, unauthorized: false };
  expect(await explained(refusal, "https://pb.example.com", fetch, async () => "refused")).toBe(refusal);
  const away: UpstreamFault = { problem: { code: "upstream_unreachable" }, unclear: false, unauthorized: false };
  expect(await explained(away, "https://pb.example.com", fetch, null)).toBe(away);
});
