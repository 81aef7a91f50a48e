import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Content, generated, sha256Of } from "../harness/fake/content.ts";
import { type FakeServer, startFake } from "../harness/fake/server.ts";
import { growthOf } from "../harness/memory.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { type MintedKey, mintKey, registerInstance } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";

const MIB = 1024 * 1024;

let server: FakeServer;
let relay: TestRelay;
let minted: MintedKey;

beforeAll(async () => {
  [server, relay] = await Promise.all([startFake(), startRelay()]);
  const { email, password } = server.fake;
  await registerInstance(relay, { url: server.url, email, password });
  minted = await mintKey(relay);
});
afterAll(async () => {
  await relay?.stop();
  await server?.stop();
});

const BOUNDARY = "----transferboundary";
const head = (name: string) =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/zip\r\n\r\n`;
const tail = `\r\n--${BOUNDARY}--\r\n`;

type Upload = {
  form: "multipart" | "raw";
  name: string;
  content: Content;
  stopAt?: number;
  around?: [string, string];
  pauseMs?: number;
};

/**
 * Sends an upload over a connection of its own; with `stopAt` the client vanishes after so many bytes of its body, with
 * `pauseMs` it rests after the first MiB.
 */
function sent({
  form,
  name,
  content,
  stopAt,
  around,
  pauseMs,
}: Upload): Promise<{ status: number; body: string } | "vanished"> {
  const [before, after] = form === "raw" ? ["", ""] : (around ?? [head(name), tail]);
  const length = Buffer.byteLength(before) + content.size + Buffer.byteLength(after);
  const raw = form === "raw";
  return new Promise((resolve, reject) => {
    const request = httpRequest(relay.url + (raw ? `/v1/backups/${name}` : "/api/backups/upload"), {
      method: raw ? "PUT" : "POST",
      headers: {
        authorization: minted.key,
        "content-length": length,
        "content-type": raw ? "application/zip" : `multipart/form-data; boundary=${BOUNDARY}`,
      },
    });
    let vanished = false;
    request.on("error", (error) => (vanished ? resolve("vanished") : reject(error)));
    request.on("response", async (response) => {
      let body = "";
      for await (const piece of response) body += piece;
      resolve({ status: response.statusCode!, body });
    });
    const put = (piece: Uint8Array | string) =>
      new Promise<void>((go) => (request.write(piece) ? go() : request.once("drain", go).once("close", go)));
    const stream = async () => {
      await put(before);
      const end = Math.min(content.size, stopAt ?? content.size);
      for (let at = 0; at < end && !request.destroyed; at += MIB) {
        await put(content.read(at, Math.min(MIB, end - at)));
        if (at === 0 && pauseMs) await new Promise((go) => setTimeout(go, pauseMs));
      }
      if (stopAt === undefined) return void request.end(after);
      // The relay gets what was sent, and then the end of the connection.
      await new Promise((go) => setTimeout(go, 50));
      vanished = true;
      request.destroy();
    };
    stream().catch(reject);
  });
}

const stored = (name: string) => server.fake.world.backups.get(name)?.content ?? null;

for (const form of ["multipart", "raw"] as const) {
  describe(`${form} uploads on a real process`, { timeout: 180_000 }, () => {
    const created = form === "raw" ? 201 : 204;
    const content = generated(20, 3 * MIB + 7);

    it("store the very bytes", async () => {
      const name = `${form}-whole.zip`;
      expect(await sent({ form, name, content })).toMatchObject({ status: created });
      expect(sha256Of(stored(name)!)).toBe(sha256Of(content));
    });

    it("1 GiB passes with flat memory", async () => {
      const big = generated(21, 1024 * MIB);
      const name = `${form}-big.zip`;
      const grown = await growthOf(relay, async () => {
        expect(await sent({ form, name, content: big })).toMatchObject({ status: created });
      });
      expect(grown).toBeLessThan(150);
      expect(stored(name)!.size).toBe(big.size);
      expect(server.fake.uploads.at(-1)!.sha256).toBe(sha256Of(big));
    });

    it("whose client vanishes at any offset leave nothing behind, and the name free", async () => {
      const name = `${form}-gone.zip`;
      for (let n = 0; n < 10; n++) {
        const stopAt = Math.floor((content.size * n) / 10) + n;
        expect(await sent({ form, name, content, stopAt })).toBe("vanished");
      }
      expect(stored(name)).toBe(null);
      const status = async () => ((await sent({ form, name, content })) as { status: number }).status;
      await vi.waitUntil(async () => (await status()) === created, SOON);
    });

    it("of one name at once: one wins, the other is told", async () => {
      const name = `${form}-twice.zip`;
      const both = await Promise.all([sent({ form, name, content }), sent({ form, name, content })]);
      const statuses = both.map((answer) => (answer as { status: number }).status).sort();
      expect(statuses[0]).toBe(created);
      expect(statuses[1]).toBe(form === "raw" ? 409 : 400);
      expect(sha256Of(stored(name)!)).toBe(sha256Of(content));
    });

    it("that are no ZIP are told so even when the client sends everything first", async () => {
      const text = { size: 20 * MIB, read: (_: number, length: number) => new Uint8Array(length).fill(65) };
      const got = await sent({ form, name: `${form}-text.zip`, content: text });
      expect(got).toMatchObject({ status: 400 });
      expect(JSON.parse((got as { body: string }).body)).toMatchObject({
        code: "upload_not_zip",
        data: { file: { code: "validation_invalid_mime_type" } },
      });
    });
  });
}

describe("a client that rests", () => {
  it("uploads all the same: workerd puts an object out of memory when nobody asked it anything for ten seconds", async () => {
    const content = generated(23, 2 * MIB + 5);
    const resting = (["multipart", "raw"] as const).map((form) =>
      sent({ form, name: `resting-${form}.zip`, content, pauseMs: 12_000 }),
    );
    expect(await Promise.all(resting)).toMatchObject([{ status: 204 }, { status: 201 }]);
    for (const form of ["multipart", "raw"]) expect(sha256Of(stored(`resting-${form}.zip`)!)).toBe(sha256Of(content));
  });
});

describe("forms that are not whole", () => {
  const content = generated(22, 2 * MIB);

  it("without the last boundary, or with a second file, store nothing", async () => {
    const second = `\r\n${head("b.zip")}PK\x03\x04${tail}`;
    for (const [after, code] of [
      ["", "upload_broken"],
      [tail.slice(0, -4), "upload_broken"],
      [second, "upload_second_file"],
    ] as const) {
      const got = await sent({ form: "multipart", name: "a.zip", content, around: [head("a.zip"), after] });
      expect(got).toMatchObject({ status: 400 });
      expect(JSON.parse((got as { body: string }).body).code).toBe(code);
      expect(stored("a.zip")).toBe(null);
    }
  });

  it("whose content holds their own boundary's look-alikes arrive as they are", async () => {
    const bytes = Buffer.from(
      `PK\x03\x04\r\n--${BOUNDARY}x\r\n--${BOUNDARY}-\r\n\r\n--${BOUNDARY.slice(0, -1)}`,
      "latin1",
    );
    const like: Content = { size: bytes.length, read: (at, length) => new Uint8Array(bytes.subarray(at, at + length)) };
    expect(await sent({ form: "multipart", name: "like.zip", content: like })).toMatchObject({ status: 204 });
    expect(Buffer.from(stored("like.zip")!.read(0, 1000)).equals(bytes)).toBe(true);
  });
});
