import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { root } from "../../scripts/root.ts";
import { literal, wholeOf } from "../harness/fake/content.ts";
import type { Fault } from "../harness/fake/faults.ts";
import type { FakeUpstream } from "../harness/fake/upstream.ts";
import { admin, type KeyRequest, type MintedKey, mintKey } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";
import { type Front, uploaded } from "../harness/weather/front.ts";
import { relayWithFronts } from "../harness/weather/fronts.ts";
import { expectRefusal } from "../harness/weather/refusal.ts";

const weather = relayWithFronts();
const { openFront } = weather;

const forms = [
  ["upload", 204],
  ["put", 201],
] as const;

/** Makes the server keep something else than it was sent, or, with null, nothing at all. */
function keeping({ world }: FakeUpstream, length: number | null): void {
  const store = world.store.bind(world);
  world.store = (key, { content, ...rest }, at) => {
    if (length !== null) store(key, { ...rest, content: literal(content.read(0, length)) }, at);
  };
}

for (const [action, done] of forms) {
  describe.concurrent(`${action}: what the list shows decides`, () => {
    const late: Fault = { kind: "listLag", ms: 8_000, on: "list" };
    const answers: Record<string, Fault[]> = {
      "was stored, as the server said": [],
      "was stored though a proxy gave up": [{ kind: "html", status: 524, worked: true, on: "upload" }],
      "was stored though the answer was lost": [{ kind: "reset", worked: true, on: "upload" }],
    };
    for (const [index, [what, faults]] of Object.entries(answers).entries()) {
      it(`a file that ${what} and is listed late is a success, and is sent once`, async () => {
        const front = await openFront(`late-${action}-${index}`);
        front.server.fake.faults.add(late, ...faults);
        const before = front.asked("list");
        const outcome = await front.act(action);
        expect([outcome.status, outcome.code]).toEqual([done, null]);
        expect(front.asked("upload")).toBe(1);
        expect(front.asked("list") - before).toBeGreaterThan(2);
      });
    }

    it("a file that is never listed has vanished, and its name is free", async () => {
      const front = await openFront(`nothing-${action}`);
      const { fake } = front.server;
      const { store } = fake.world;
      keeping(fake, null);
      const began = Date.now();
      expectRefusal(front, await front.act(action), "upload_vanished");
      expect(Date.now() - began).toBeGreaterThan(20_000);
      fake.world.store = store;
      expect((await front.act(action)).status).toBe(done);
    });

    it("an upload that a proxy gave up on and that is never listed is told so after a while, and its name is free", async () => {
      const front = await openFront(`gave-up-${action}`);
      const { fake } = front.server;
      const { store } = fake.world;
      keeping(fake, null);
      fake.faults.add({ kind: "html", status: 524, worked: true, on: "upload", times: 1 });
      const began = Date.now();
      expectRefusal(front, await front.act(action), "upstream_timeout");
      expect(Date.now() - began).toBeGreaterThan(15_000);
      fake.world.store = store;
      expect((await front.act(action)).status).toBe(done);
    });

    it("a file that was stored short is damaged, and both sizes are told", async () => {
      const front = await openFront(`short-${action}`);
      keeping(front.server.fake, 1234);
      const outcome = await front.act(action);
      expectRefusal(front, outcome, "upload_damaged");
      expect(JSON.parse(outcome.text).message).toBe(`${uploaded.size} bytes were sent, the server lists 1234.`);
    });
  });
}

describe.concurrent("the request that the server gets", () => {
  it("tells the length of a bare file; a form's is known only at its last boundary, so it is chunked", async () => {
    const front = await openFront("lengths");
    for (const [action] of forms) {
      await front.act(action);
      const { headers } = front.server.fake.requests.filter(({ call }) => call === "upload").at(-1)!;
      const length = headers["content-length"];
      if (action === "upload") expect([length, headers["transfer-encoding"]]).toEqual([undefined, "chunked"]);
      else {
        expect(headers["transfer-encoding"]).toBeUndefined();
        expect(Number(length) - uploaded.size).toBeGreaterThan(100);
        expect(Number(length) - uploaded.size).toBeLessThan(400);
      }
    }
  });

  it("is none for a name that no backup may be created under", async () => {
    const front = await openFront("names");
    const names = { "UPPER.zip": "match_invalid", "no-ending": "match_invalid", "a%20b.zip": "match_invalid" };
    for (const [name, code] of Object.entries({ ...names, [`${"a".repeat(147)}.zip`]: "length_out_of_range" })) {
      const outcome = await front.act("put", name);
      expectRefusal(front, outcome, "invalid_request");
      expect(JSON.parse(outcome.text).data.name.code).toBe(`validation_${code}`);
    }
    expect(front.asked("upload")).toBe(0);
  });
});

/** Everything that reaches the server as uploads, whole or not. */
function received(fake: FakeUpstream): () => string {
  const pieces: Uint8Array[] = [];
  const answer = fake.fetch;
  const tap: FakeUpstream["fetch"] = (input) => {
    const request = input as Request;
    if (!request.body || !request.url.endsWith("/api/backups/upload")) return answer(request);
    const seen = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, out) {
        pieces.push(piece.slice());
        out.enqueue(piece);
      },
    });
    return answer(new Request(request, { body: request.body.pipeThrough(seen), duplex: "half" } as RequestInit));
  };
  Object.assign(fake, { fetch: tap });
  return () => Buffer.concat(pieces).toString("latin1");
}

const BOUNDARY = "----proofboundary";

/** Sends half an upload, does `meanwhile` once the server has some of it, and sends the rest. */
async function interrupted(
  front: Front,
  action: "upload" | "put",
  as: MintedKey,
  name: string,
  meanwhile: () => Promise<unknown>,
) {
  const bytes = wholeOf(uploaded);
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`;
  const [before, after] = action === "put" ? ["", ""] : [head, `\r\n--${BOUNDARY}--\r\n`];
  const request = httpRequest(weather.relay.url + (action === "put" ? `/v1/backups/${name}` : "/api/backups/upload"), {
    method: action === "put" ? "PUT" : "POST",
    headers: {
      authorization: as.key,
      "content-length": before.length + bytes.length + after.length,
      "content-type": action === "put" ? "application/zip" : `multipart/form-data; boundary=${BOUNDARY}`,
    },
  });
  const answered = new Promise<{ status: number; code: string | null }>((resolve, reject) => {
    request.on("error", reject);
    request.on("response", async (response) => {
      let text = "";
      for await (const piece of response) text += piece;
      resolve({ status: response.statusCode!, code: text.includes('"code"') ? JSON.parse(text).code : null });
    });
  });
  const asked = front.asked("upload");
  request.write(before);
  request.write(bytes.subarray(0, 40_000));
  await vi.waitUntil(() => front.asked("upload") > asked, SOON);
  await meanwhile();
  request.write(bytes.subarray(40_000));
  request.end(after);
  return answered;
}

type Change = { request?: KeyRequest; name?: string; change: object; status: number; code: string };

const changes: Record<string, Change> = {
  "is disabled": { change: { disabled: true }, status: 401, code: "unauthenticated" },
  "may no more touch that name": { change: { patterns: ["other-*"] }, status: 403, code: "pattern_refused" },
  "may no more upload": { change: { scopes: ["backups:list"] }, status: 403, code: "scope_missing" },
};

for (const [action, done] of forms) {
  describe.concurrent(`${action}: the door's second pass, before the last boundary (SECURITY 12, 13)`, () => {
    const reserved: Change = {
      name: "pre_restore_x.zip",
      change: { scopes: ["backups:upload", "backups:list"] },
      status: 403,
      code: "scope_missing",
    };
    const all = { ...changes, "may no more delete, under a name the server prunes by": reserved };
    for (const [index, [what, { name = "new.zip", change, status, code }]] of Object.entries(all).entries()) {
      it(`stops an upload whose key ${what} meanwhile`, async () => {
        const front = await openFront(`pass-${action}-${index}`);
        const bytes = received(front.server.fake);
        const key = await mintKey(weather.relay, {}, front.name);
        const answer = await interrupted(front, action, key, name, async () => {
          const path = `/v1/keys/${key.id}`;
          const changed = await admin(weather.relay, path, { method: "PATCH", body: change, instance: front.name });
          expect(changed.status).toBe(200);
        });
        expect(answer).toEqual({ status, code });
        const boundary = /^--(relay-\w+)\r\n/.exec(bytes())![1]!;
        expect(bytes()).not.toContain(`${boundary}--`);
        expect(front.server.fake.uploads).toEqual([]);
        expect([...front.server.fake.world.backups.keys()]).not.toContain(name);
        // The same name is free for whoever may have front.
        expect((await front.act(action, name)).status).toBe(done);
      });
    }

    it("counts nothing twice", async () => {
      const front = await openFront(`once-${action}`);
      const quotas = { "backups:upload": 2, "backups:delete": 2 };
      const key = await mintKey(weather.relay, { quotas, ratePerMinute: 10 }, front.name);
      const first = await interrupted(front, action, key, "pre_restore_y.zip", async () => {});
      expect(first.status).toBe(done);
      const self = await fetch(`${weather.relay.url}/v1/keys/self`, { headers: { authorization: key.key } });
      // This question is the second request of the minute.
      expect(await self.json()).toMatchObject({
        rights: { quotasLeft: { "backups:upload": 1, "backups:delete": 1 }, rateLeft: 8 },
      });
    });
  });
}

it("what is too large for Cloudflare has its way in README, /docs and /openapi.json: one curl straight to the server", async () => {
  const curl = /`(curl [^`]*\/api\/backups\/upload[^`]*)`/.exec(readFileSync(join(root, "README.md"), "utf8"))![1]!;
  expect(curl).toContain("$PB/api/backups/upload");
  const page = await (await fetch(`${weather.relay.url}/docs`)).text();
  const shown = page.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
  expect(shown).toContain(`<code>${curl}</code>`);
  const { info } = (await (await fetch(`${weather.relay.url}/openapi.json`)).json()) as {
    info: { description: string };
  };
  expect(info.description).toContain(curl);
});
