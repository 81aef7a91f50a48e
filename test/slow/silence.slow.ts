import { request as httpRequest } from "node:http";
import { describe, expect, it } from "vitest";
import type { ProblemCode } from "../../src/base/problems.ts";
import { generated, wholeOf } from "../harness/fake/content.ts";
import type { Fault } from "../harness/fake/faults.ts";
import { startPocketBase } from "../harness/pocketbase.ts";
import { mintKey, registerInstance } from "../harness/relay-client.ts";
import { type Action, KEPT } from "../harness/weather/front.ts";
import { relayWithFronts } from "../harness/weather/fronts.ts";
import { expectRefusal } from "../harness/weather/refusal.ts";

const weather = relayWithFronts();
const { openFront } = weather;

/** What each call is told by a server that takes every connection and says nothing, each asked of one of its own. */
const codes: { [D in Action]?: ProblemCode } = {
  list: "upstream_timeout",
  page: "upstream_timeout",
  create: "upstream_timeout",
  generate: "upstream_timeout",
  upload: "upstream_timeout",
  put: "upstream_timeout",
  restore: "upstream_timeout",
  dryRun: "upstream_timeout",
  delete: "operation_unfinished",
};

describe.concurrent("a server that says nothing", () => {
  const silent: Fault = { kind: "slow", ms: 600_000 };

  for (const [action, code] of Object.entries(codes) as [Action, ProblemCode][]) {
    it(`${action} is told ${code}`, async () => {
      const front = await openFront(`silent-${action.toLowerCase()}`);
      front.server.fake.faults.add(silent);
      expectRefusal(front, await front.act(action), code);
    });
  }

  it("after a whole upload is waited for, and then it is unclear", async () => {
    const front = await openFront("silent-after-upload");
    front.server.fake.faults.add({ ...silent, on: "upload" });
    expectRefusal(front, await front.act("put"), "upstream_timeout");
  });

  it("in the middle of a file is left for a new connection, at the byte", async () => {
    const front = await openFront("stalling");
    const file = generated(61, 300_000);
    await front.server.fake.put(KEPT, file, Date.now() - 50_000);
    await front.act("list");
    front.server.fake.faults.add({ kind: "trickle", bytes: 100_000, everyMs: 120_000, on: "download", times: 1 });
    const got = await front.act("download");
    expect(got).toMatchObject({ status: 200, whole: true });
    expect(got.text === Buffer.from(wholeOf(file)).toString("latin1")).toBe(true);
    expect(front.asked("download")).toBe(2);
  });
});

const MIB = 1024 * 1024;
const BOUNDARY = "----silenceboundary";

describe("a PocketBase that is stopped in the middle of an upload", () => {
  const file = generated(62, 60 * MIB);
  const name = "stopped.zip";

  /** Sends the file; `rest` is waited for after the first 8 MiB. */
  function sent(key: string, form: boolean, rest: Promise<unknown>, eight: () => void) {
    const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="form-${name}"\r\n\r\n`;
    const [before, after] = form ? [head, `\r\n--${BOUNDARY}--\r\n`] : ["", ""];
    const sending = httpRequest(`${weather.relay.url}${form ? "/api/backups/upload" : `/v1/backups/${name}`}`, {
      method: form ? "POST" : "PUT",
      headers: {
        authorization: key,
        "content-length": before.length + file.size + after.length,
        "content-type": form ? `multipart/form-data; boundary=${BOUNDARY}` : "application/zip",
      },
    });
    const answered = new Promise<{ status: number; text: string }>((resolve, reject) => {
      sending.on("error", reject);
      sending.on("response", async (response) => {
        let text = "";
        for await (const piece of response) text += piece;
        resolve({ status: response.statusCode!, text });
        sending.destroy();
      });
    });
    const put = (piece: Uint8Array | string) =>
      new Promise<void>((go) => (sending.write(piece) ? go() : sending.once("drain", go).once("close", go)));
    const stream = async () => {
      await put(before);
      for (let at = 0; at < file.size && !sending.destroyed; at += MIB) {
        if (at === 8 * MIB) {
          eight();
          await rest;
        }
        await put(file.read(at, MIB));
      }
      sending.end(after);
    };
    void stream();
    return answered;
  }

  it("ends it in time, stores nothing, and lets the name go", async () => {
    const server = await startPocketBase();
    try {
      await registerInstance(weather.relay, server, { name: "stopped", verify: false });
      const { key } = await mintKey(weather.relay, {}, "stopped");
      const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const stopped = Promise.withResolvers<void>();
      const uploads = begun.map(({ resolve }, index) => sent(key, index === 1, stopped.promise, resolve));
      await Promise.all(begun.map(({ promise }) => promise));
      process.kill(server.pid, "SIGSTOP");
      const began = performance.now();
      stopped.resolve();
      for (const { status, text } of await Promise.all(uploads)) {
        expect([status, JSON.parse(text).code]).toEqual([504, "upstream_timeout"]);
      }
      const took = performance.now() - began;
      expect(took).toBeGreaterThan(60_000);
      expect(took).toBeLessThan(130_000);

      process.kill(server.pid, "SIGCONT");
      const headers = { authorization: key };
      const listed = await fetch(`${weather.relay.url}/api/backups`, { headers });
      expect(await listed.json()).toEqual([]);
      const again = [false, true].map((form) => sent(key, form, Promise.resolve(), () => {}));
      expect((await Promise.all(again)).map(({ status }) => status)).toEqual([201, 204]);
    } finally {
      process.kill(server.pid, "SIGCONT");
      await server.stop();
    }
  });
});
