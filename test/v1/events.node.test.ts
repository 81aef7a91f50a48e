import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { signedNudge } from "../harness/nudge.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { admin, mintKey, registerInstance } from "../harness/relay-client.ts";

type Event = { id: string; seq: number; type: string; data: Record<string, unknown> & { backup?: { key: string } } };
type Page = { items: Event[]; nextAfter: number; head: number };

let relay: TestRelay;
let server: FakeServer;
const instance = "demo";
beforeAll(async () => {
  relay = await startRelay();
  server = await startFake();
  const { email, password } = server.fake;
  await registerInstance(relay, { url: server.url, email, password }, { verify: false, pollSeconds: 15 });
  await made("first.zip");
  await list();
  for (const name of ["a-1.zip", "b-1.zip", "a-2.zip", "b-2.zip"]) await made(name);
  await list();
});
afterAll(async () => {
  await relay?.stop();
  await server?.stop();
});

const list = () => admin(relay, "/v1/backups", { instance });
const made = (name: string) => server.fake.make(name, Date.now() - 60_000);
const page = async (query: string, key?: string): Promise<Page> => {
  const answer = key
    ? await fetch(`${relay.url}/v1/events${query}`, { headers: { authorization: key } })
    : await admin(relay, `/v1/events${query}`, { instance });
  expect([query, answer.status]).toEqual([query, 200]);
  return (await answer.json()) as Page;
};
const keys = ({ items }: Page) => items.map(({ type, data }) => `${type} ${data.backup?.key ?? ""}`.trim());

/** Frames of a stream as they come; ends with the stream, or when enough of them were read. */
async function frames(key: string, query: string, enough: (texts: string[]) => boolean, headers = {}) {
  const leave = new AbortController();
  const answer = await fetch(`${relay.url}/v1/events/stream${query}`, {
    headers: { authorization: key, ...headers },
    signal: leave.signal,
  });
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  let text = "";
  const whole = () => text.split("\n\n").slice(0, -1);
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (enough(whole())) break;
  }
  leave.abort();
  return whole().filter((frame) => !frame.startsWith("retry:") && !frame.startsWith(":"));
}
const seqOf = (frame: string) => Number(/^id: (\d+)$/m.exec(frame)?.[1]);
const dataOf = (frame: string) => JSON.parse(/^data: (.*)$/m.exec(frame)![1]!) as Event;

describe("the ledger over HTTP", () => {
  it("is read in pages by seq and type, and verified", async () => {
    const all = await page("?limit=200");
    expect(keys(all)).toEqual(expect.arrayContaining(["backup.created a-1.zip", "backup.created b-2.zip"]));
    expect(all.items.map(({ seq }) => seq)).toEqual(all.items.map((_, at) => at + 1));
    expect([all.nextAfter, all.head]).toEqual([all.items.length, all.items.length]);
    const walked: Event[] = [];
    for (let after = 0; after < all.head; ) {
      const part = await page(`?after=${after}&limit=2`);
      walked.push(...part.items);
      after = part.nextAfter;
    }
    expect(walked).toEqual(all.items);
    const types = (await page("?type=backup.*,key.created&limit=200")).items.map(({ type }) => type);
    expect(new Set(types)).toEqual(
      new Set(all.items.map(({ type }) => type).filter((type) => /^(backup\.|key\.created)/.test(type))),
    );
    const verdict = (await (await admin(relay, "/v1/events/verify", { instance })).json()) as object;
    expect(verdict).toMatchObject({ ok: true, from: 1, to: all.head });
    for (const query of ["?type=nothing.*", "?typ=backup.*", "?after=-1", "?limit=500"])
      expect([query, (await admin(relay, `/v1/events${query}`, { instance })).status]).toEqual([query, 400]);
  });

  it("shows a key nothing of backups its patterns do not admit, nor aggregates over them (SECURITY 28)", async () => {
    const narrow = await mintKey(relay, { scopes: ["events:read"], patterns: ["a-*"] });
    const seen = await page("?limit=200", narrow.key);
    expect(keys(seen).filter((line) => line.startsWith("backup."))).toEqual([
      "backup.created a-1.zip",
      "backup.created a-2.zip",
    ]);
    for (const { data } of seen.items) expect(data).not.toHaveProperty("stats");
    expect(JSON.stringify(seen)).not.toMatch(/b-[12]|first/);
    const wide = await mintKey(relay, { scopes: ["events:read"] });
    const created = (await page("?type=backup.created", wide.key)).items.at(-1)!;
    expect(created.data).toMatchObject({ stats: { count: 5 } });
    const blind = await mintKey(relay, { scopes: ["backups:list"] });
    const refused = await fetch(`${relay.url}/v1/events`, { headers: { authorization: blind.key } });
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, "scope_missing"]);
  });
});

describe.concurrent("the stream", () => {
  it("resumes after Last-Event-ID without a gap and goes on with what happens", async () => {
    const { key } = await mintKey(relay, { scopes: ["events:read"] });
    const { items, head } = await page("?limit=200");
    const from = items.find(({ data }) => data.backup?.key === "a-1.zip")!.seq;
    const rest = items.filter(({ seq, type }) => seq > from && type === "backup.created").length;
    const reading = frames(key, "?type=backup.created&after=0", (texts) => texts.length > rest + 1, {
      "last-event-id": String(from),
    });
    await sleep(500);
    await made("later.zip");
    await list();
    const texts = await reading;
    expect(texts.map(seqOf)[0]).toBeGreaterThan(from);
    expect(texts.map((frame) => dataOf(frame).data.backup?.key)).toEqual([
      ...items.filter(({ seq, type }) => seq > from && type === "backup.created").map(({ data }) => data.backup?.key),
      "later.zip",
    ]);
    for (const frame of texts) expect(frame).toContain("event: backup.created\n");
    expect(texts.map(seqOf).at(-1)).toBeGreaterThan(head);
  });

  it("ends when its key is revoked, and says why", async () => {
    const { key, id } = await mintKey(relay, { scopes: ["events:read"] });
    const reading = frames(key, "?after=0&type=backup.created", () => false);
    await sleep(300);
    expect((await admin(relay, `/v1/keys/${id}`, { method: "DELETE", instance })).status).toBe(204);
    const texts = await reading;
    expect(texts.at(-1)).toBe('event: error\ndata: {"code":"unauthenticated"}');
    const again = await fetch(`${relay.url}/v1/events/stream`, { headers: { authorization: key } });
    expect(again.status).toBe(401);
  });

  it("shows a key with patterns its own part alone", async () => {
    const { key } = await mintKey(relay, { scopes: ["events:read"], patterns: ["b-*"] });
    const texts = await frames(key, "?after=0&type=backup.*", (all) => all.length >= 3);
    expect(texts.map((frame) => dataOf(frame).data.backup?.key)).toEqual(["b-1.zip", "b-2.zip"]);
  });
});

describe("a nudge", () => {
  it("that is forged, old, repeated or for nobody is the same 401 (SECURITY 25)", async () => {
    const rotated = (await (
      await admin(relay, `/v1/instances/${instance}/nudge/rotate`, { method: "POST" })
    ).json()) as {
      nudge?: { url: string; secret: string };
      url: string;
      secret: string;
    };
    const { url, secret } = rotated.nudge ?? rotated;
    const path = new URL(url, relay.url).pathname;
    const send = async (at: number, nonce: string, by = secret, to = path) => {
      const answer = await fetch(relay.url + to, signedNudge(by, { at, nonce }));
      const { requestId: _id, ...rest } =
        answer.status === 202 ? { requestId: "" } : ((await answer.json()) as { requestId: string });
      return [answer.status, rest];
    };
    const nonce = randomUUID();
    expect(await send(Date.now(), nonce)).toEqual([202, {}]);
    const refused = await send(Date.now(), nonce);
    expect(refused[0]).toBe(401);
    for (const other of [
      await send(Date.now(), randomUUID(), `${secret}x`),
      await send(Date.now() - 301_000, randomUUID()),
      await send(Date.now() + 301_000, randomUUID()),
      await send(Date.now(), "short"),
      await send(Date.now(), randomUUID(), secret, `${path.slice(0, -3)}aaa`),
    ])
      expect(other).toEqual(refused);
  });
});
