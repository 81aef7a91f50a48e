import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { SLOTS } from "../../src/endpoints/sender.ts";
import { literal } from "../harness/fake/content.ts";
import { forever, type RawAnswer, RawReceiver } from "../harness/raw-receiver.ts";
import { selfSigned } from "../harness/webhooks/certificate.ts";
import { type Hook, WebhookStage } from "../harness/webhooks/relay.ts";

const MEBIBYTE = 1_048_576;
const MOST_GROWTH = 64 * MEBIBYTE;
/** An attempt ends after 15 s; the rest is for a busy machine. */
const TIMED_OUT = { timeout: 40_000, interval: 100 };

let stage: WebhookStage;
const raw = new RawReceiver();
const memory = { before: 0, peak: 0 };
let watching: NodeJS.Timeout;

beforeAll(async () => {
  await raw.start();
  stage = await WebhookStage.start();
  const warm = await hooked("warm", () => undefined);
  raw.answers.delete("/warm");
  await happen("warm", 20);
  await vi.waitUntil(() => raw.ids("/warm").length >= 20, TIMED_OUT);
  await stage.call("DELETE", `/v1/webhooks/${warm.id}`, undefined, 204);
  memory.before = stage.relay.rssBytes();
  watching = setInterval(() => {
    memory.peak = Math.max(memory.peak, stage.relay.rssBytes());
  }, 100);
});
afterAll(async () => {
  clearInterval(watching);
  await stage.stop();
  await raw.stop();
});

/** An endpoint that hears of the backups named after it alone. */
function hooked(name: string, answer: RawAnswer, url = raw.url(`/${name}`)): Promise<Hook> {
  raw.answers.set(`/${name}`, answer);
  return stage.hook("", { url, patterns: [`${name}-*`] });
}

let files = 0;
async function happen(name: string, count = 1): Promise<void> {
  const { fake } = stage.server;
  for (let left = count; left > 0; left--)
    await fake.put(`${name}-${files++}.zip`, literal(new Uint8Array(22)), fake.now() - 60_000);
  await stage.look();
}

type Attempt = { event: string; outcome: string; status: number | null; latencyMs: number; reason: { kind: string } };
const attempts = async ({ id }: Hook) =>
  (await stage.call<{ items: Attempt[] }>("GET", `/v1/webhooks/${id}/attempts`)).items;

/** The first attempt of a real delivery, when it has ended. */
async function first(name: string, answer: RawAnswer, url?: string): Promise<string> {
  const hook = await hooked(name, answer, url);
  await happen(name);
  const ended = await vi.waitUntil(async () => (await attempts(hook)).at(-1), TIMED_OUT);
  return `${ended.status} ${ended.reason?.kind ?? ended.outcome}`;
}

const says =
  (text: string | Uint8Array): RawAnswer =>
  (socket) =>
    void socket.end(text);
const chunked = (status: string) => `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\n\r\n`;
const gzipped = (status: string, body: Uint8Array) => {
  const head = `HTTP/1.1 ${status}\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
};
const bomb = gzipSync(Buffer.alloc(256 * MEBIBYTE));
const block = Buffer.alloc(65_536, "a");
const letter = Buffer.from("a");

describe.concurrent("a receiver", () => {
  it.each([
    ["never", "never answers", () => undefined],
    ["slow-head", "sends headers that never end", forever("HTTP/1.1 200 OK\r\nX-Slow: ", letter, 500)],
  ] as [string, string, RawAnswer][])(
    "%s: one that %s times out, and its slots are free again",
    async (name, _, answer) => {
      const hook = await hooked(name, answer);
      await happen(name, SLOTS + 1);
      await vi.waitUntil(() => raw.ids(`/${name}`).length >= SLOTS, TIMED_OUT);
      const under = new Set(raw.ids(`/${name}`));
      expect(under.size).toBe(SLOTS);
      expect(await attempts(hook)).toEqual([]);
      raw.answers.delete(`/${name}`);
      await vi.waitUntil(() => new Set(raw.ids(`/${name}`)).size > SLOTS, TIMED_OUT);
      const failed = await vi.waitUntil(async () => {
        const found = (await attempts(hook)).filter(({ outcome }) => outcome === "failed");
        return found.length >= SLOTS && found;
      }, TIMED_OUT);
      expect(failed.map(({ reason }) => reason.kind)).toEqual(Array(SLOTS).fill("timeout"));
      for (const { latencyMs } of failed) expect(latencyMs).toBeGreaterThanOrEqual(15_000);

      await happen(name);
      const delivered = async () =>
        new Set((await attempts(hook)).filter((each) => each.outcome === "delivered").map(({ event }) => event)).size;
      await vi.waitUntil(async () => (await delivered()) === SLOTS + 2, TIMED_OUT);
      expect(new Set(raw.ids(`/${name}`)).size).toBe(SLOTS + 2);
    },
  );

  it.each([
    ["trickle-500", forever(chunked("500 No"), letter, 500), "500 status"],
    ["trickle-200", forever(chunked("200 OK"), letter, 500), "200 delivered"],
    ["endless-500", forever(chunked("500 No"), block, 1), "500 status"],
    ["endless-200", forever(chunked("200 OK"), block, 1), "200 delivered"],
  ] as const)(
    "%s: a body without an end is left after a few seconds, and its connection closed",
    async (name, answer, outcome) => {
      const patterns = [`${name}-*`];
      raw.answers.set(`/${name}/silent`, () => undefined);
      const silent = await stage.hook("", { url: raw.url(`/${name}/silent`), patterns });
      expect(await first(name, answer)).toBe(outcome);
      // The same event is still on its way to a receiver that says nothing: that one is given 15 s.
      expect(await attempts(silent)).toEqual([]);
      await vi.waitUntil(() => raw.open(`/${name}`) === 0, TIMED_OUT);
    },
  );

  it.each([
    ["bomb-500", says(gzipped("500 No", bomb)), "500 status"],
    ["bomb-200", says(gzipped("200 OK", bomb)), "200 delivered"],
    ["not-gzip", says(gzipped("200 OK", block)), "200 delivered"],
    ["http10", says("HTTP/1.0 200 OK\r\n\r\nok"), "200 delivered"],
    ["http10-bare", says("HTTP/1.0 500 No\r\n\r\n"), "500 status"],
    ["cut-body", says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "200 delivered"],
    ["cut-body-500", says("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf"), "500 status"],
    ["cut-head", says("HTTP/1.1 200 OK\r\nContent-Le"), "null connection"],
    ["cut", (socket) => void socket.destroy(), "null connection"],
    ["no-http", says("220 mail.example.com ESMTP\r\n"), "null connection"],
    ["huge-head", says(`HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(2_000_000)}\r\n\r\n`), "null connection"],
  ] as [string, RawAnswer, string][])(
    "%s: the first attempt of a delivery ends with the reason",
    async (name, answer, outcome) => {
      expect(await first(name, answer)).toBe(outcome);
    },
  );

  it("with a certificate that nobody vouches for gets no request, and the reason is TLS", async () => {
    let requests = 0;
    const server = createServer(selfSigned(), (_, response) => {
      requests++;
      response.end();
    });
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    expect(await first("tls", () => undefined, `https://127.0.0.1:${port}/tls`)).toBe("null tls");
    expect(requests).toBe(0);
    server.close();
    server.closeAllConnections();
  });
});

it("after all of them the relay has not grown, and still answers", async () => {
  expect((memory.peak - memory.before) / MEBIBYTE).toBeLessThan(MOST_GROWTH / MEBIBYTE);
  expect((await fetch(`${stage.relay.url}/v1/health`)).status).toBe(200);
  expect(stage.relay.log()).not.toMatch(/ended with an error|could not do all/);
});
