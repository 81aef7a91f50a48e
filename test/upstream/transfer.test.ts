import { describe, expect, it } from "vitest";
import { utf8 } from "../../src/base/encoding.ts";
import type { UpstreamAccess, UpstreamResult } from "../../src/upstream/backups-api.ts";
import type { Fetch } from "../../src/upstream/exchange.ts";
import { openDownload, sendUpload } from "../../src/upstream/transfer.ts";
import { zip } from "../harness/archive/zip.ts";
import { generated, sha256Of, wholeOf } from "../harness/fake/content.ts";
import type { Fault } from "../harness/fake/faults.ts";
import { type FakeOptions, FakeUpstream } from "../harness/fake/upstream.ts";

const content = generated(1, 300_000);

async function setUp(options: FakeOptions = {}) {
  const fake = new FakeUpstream(options);
  await fake.put("a.zip", content);
  const base = { baseUrl: "https://pb.example.com", headers: { "x-tunnel": "t" }, expires: 0 };
  const down: UpstreamAccess = { ...base, token: fake.accounts.issue("file", "superuser", 180) };
  const up: UpstreamAccess = { ...base, token: fake.impersonate() };
  const open = (key = "a.zip", headers: Record<string, string> = {}, method: "GET" | "HEAD" = "GET") =>
    openDownload(fake.fetch, down, { method, key, headers });
  return { fake, down, up, open };
}

const told = (result: UpstreamResult<unknown>) =>
  result.ok ? "ok" : [result.error.problem.code, result.error.unclear, result.error.unauthorized];

describe("opening a download", () => {
  it("hands over the server's own answer, unread", async () => {
    const { fake, open } = await setUp();
    const answer = await open();
    if (!answer.ok) throw new Error(answer.error.problem.code);
    expect(answer.value.headers.get("Content-Length")).toBe("300000");
    expect(fake.bodies.open).toBe(1);
    expect(new Uint8Array(await answer.value.arrayBuffer())).toEqual(wholeOf(content));
    expect(fake.bodies.open).toBe(0);
  });

  it("sends the token in the query alone, ranges and conditions, and no credential in a header", async () => {
    const { fake, down, open } = await setUp();
    await open("a.zip", { Range: "bytes=5-9", "If-Range": "Mon, 01 Jan 2001 00:00:00 GMT" });
    const seen = fake.requests[0]!;
    expect(seen.path).toBe(`/api/backups/a.zip?token=${encodeURIComponent(down.token)}`);
    expect(Object.keys(seen.headers).sort()).toEqual(["accept-encoding", "if-range", "range", "x-tunnel"]);
    expect(seen.headers["accept-encoding"]).toBe("identity");
  });

  it("takes parts, unchanged, failed conditions and ranges past the end for answers", async () => {
    const { open } = await setUp();
    for (const [headers, status] of [
      [{ Range: "bytes=0-3" }, 206],
      [{ Range: "bytes=0-3,7-9" }, 206],
      [{ "If-None-Match": "*" }, 304],
      [{ "If-Match": '"x"' }, 412],
      [{ Range: "bytes=300000-" }, 416],
    ] as const) {
      const answer = await open("a.zip", headers);
      expect(answer.ok && answer.value.status).toBe(status);
    }
    const head = await open("a.zip", {}, "HEAD");
    expect(head.ok && head.value.headers.get("Content-Length")).toBe("300000");
  });

  it("says what kept it from opening", async () => {
    const table: [fault: Fault, ...told: unknown[]][] = [
      [{ kind: "vanish" }, "backup_not_found", false, false],
      [{ kind: "deadToken" }, "upstream_unauthorized", false, true],
      [{ kind: "ipRefused" }, "upstream_unauthorized", false, true],
      [{ kind: "rateLimited" }, "upstream_rate_limited", false, false],
      [{ kind: "s3Down" }, "upstream_storage_failed", false, false],
      [{ kind: "html", status: 502 }, "upstream_proxy_failed", false, false],
      [{ kind: "html", status: 524 }, "upstream_timeout", false, false],
      [{ kind: "html", status: 403 }, "upstream_proxy_refused", false, false],
      [{ kind: "redirect", to: "https://elsewhere.example/" }, "upstream_redirected", false, false],
      [{ kind: "down" }, "upstream_unreachable", false, false],
    ];
    for (const [fault, ...wanted] of table) {
      const { fake, open } = await setUp();
      fake.faults.add(fault);
      expect([fault, told(await open())]).toEqual([fault, wanted]);
      expect(fake.bodies.open).toBe(0);
    }
    const { fake, open } = await setUp();
    for (const key of [".", "..", ""]) expect(told(await open(key))).toEqual(["backup_not_found", false, false]);
    expect(fake.requests).toEqual([]);
    expect(told(await open("missing.zip", {}, "HEAD"))).toEqual(["backup_not_found", false, false]);
    fake.faults.add({ kind: "deadToken" });
    expect(told(await open("a.zip", {}, "HEAD"))).toEqual(["upstream_unauthorized", false, true]);
  });

  it("waits for headers only so long, and for the body as long as it takes", async () => {
    const { fake, down } = await setUp();
    fake.faults.add({ kind: "slow", ms: 60_000, times: 1 });
    const request = { method: "GET", key: "a.zip", headers: {}, headersMs: 20 } as const;
    expect(told(await openDownload(fake.fetch, down, request))).toEqual(["upstream_timeout", false, false]);
    fake.faults.add({ kind: "trickle", bytes: 100_000, everyMs: 25 });
    const answer = await openDownload(fake.fetch, down, request);
    expect(answer.ok && (await answer.value.arrayBuffer()).byteLength).toBe(300_000);
  });

  it("closes the connection as soon as the caller's signal ends", async () => {
    const { fake, down } = await setUp();
    const cut = new AbortController();
    const answer = await openDownload(fake.fetch, down, {
      method: "GET",
      key: "a.zip",
      headers: {},
      signal: cut.signal,
    });
    if (!answer.ok) throw new Error(answer.error.problem.code);
    const reader = answer.value.body!.getReader();
    await reader.read();
    cut.abort();
    expect(fake.bodies.open).toBe(0);
    await expect(Promise.all([reader.read(), reader.read(), reader.read(), reader.read()])).rejects.toThrow();
  });
});

describe("what a broken server does to a body", () => {
  /** Everything the caller can know: status, the range and length promised, what came, how it ended. */
  async function transfer(fault: Fault, headers: Record<string, string> = {}) {
    const { fake, open } = await setUp();
    fake.faults.add({ ...fault, on: "download", times: 1 });
    const answer = await open("a.zip", headers);
    if (!answer.ok) return answer.error.problem.code;
    const { status, headers: got, body } = answer.value;
    let bytes = 0;
    let ended = "whole";
    try {
      for await (const piece of body as unknown as AsyncIterable<Uint8Array>) bytes += piece.length;
    } catch {
      ended = "error";
    }
    return [status, got.get("Content-Range"), got.get("Content-Length"), got.get("Content-Encoding"), bytes, ended];
  }

  it("is told apart by status, range, length and end", async () => {
    const range = { Range: "bytes=1000-1999" };
    expect(await transfer({ kind: "cutAt", bytes: 70_000 })).toEqual([200, null, "300000", null, 70_000, "whole"]);
    expect(await transfer({ kind: "cutAt", bytes: 0 })).toEqual([200, null, "300000", null, 0, "whole"]);
    expect(await transfer({ kind: "cutAt", bytes: 70_000, how: "reset" })).toEqual([
      200,
      null,
      "300000",
      null,
      70_000,
      "error",
    ]);
    expect(await transfer({ kind: "ignoreRange" }, range)).toEqual([200, null, "300000", null, 300_000, "whole"]);
    expect(await transfer({ kind: "wrongRange", by: 1 }, range)).toEqual([
      206,
      "bytes 1001-2000/300000",
      "1000",
      null,
      1000,
      "whole",
    ]);
    expect(await transfer({ kind: "wrongLength", by: 5 }, range)).toEqual([
      206,
      "bytes 1000-1999/300000",
      "1005",
      null,
      1000,
      "whole",
    ]);
    expect(await transfer({ kind: "gzip" })).toEqual([200, null, null, "gzip", expect.any(Number), "whole"]);
  });

  it("shows a swapped file by its date, unless it was swapped within the second", async () => {
    for (const sameSecond of [false, true]) {
      const { fake, open } = await setUp();
      const first = await open();
      fake.faults.add({ kind: "swap", sameSecond, times: 1 });
      const date = first.ok ? first.value.headers.get("Last-Modified")! : "";
      const second = await open("a.zip", { Range: "bytes=0-9", "If-Range": date });
      expect(second.ok && second.value.status).toBe(sameSecond ? 206 : 200);
      expect(sha256Of(fake.world.backups.get("a.zip")!.content)).not.toBe(sha256Of(content));
    }
  });
});

describe("sending an upload", () => {
  const contentType = "multipart/form-data; boundary=b";
  const frame = (name: string, bytes: Uint8Array<ArrayBuffer>, end = "--b--\r\n") =>
    new Blob([`--b\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`, bytes, "\r\n", end]);

  it("stores what was framed, from a stream of unknown length too", async () => {
    const { fake, up } = await setUp();
    const bytes = zip([{ name: "data.db", data: new Uint8Array(5000) }]);
    expect(told(await sendUpload(fake.fetch, up, { contentType, body: frame("up.zip", bytes) }))).toBe("ok");
    expect(told(await sendUpload(fake.fetch, up, { contentType, body: frame("up2.zip", bytes).stream() }))).toBe("ok");
    expect(fake.uploads.map(({ key, size }) => [key, size])).toEqual([
      ["up.zip", bytes.length],
      ["up2.zip", bytes.length],
    ]);
    expect(fake.requests[0]!.headers).toMatchObject({
      authorization: up.token,
      "content-type": contentType,
      "x-tunnel": "t",
    });
  });

  it("leaves nothing behind without the last boundary", async () => {
    const { fake, up } = await setUp();
    const body = frame("torn.zip", zip([]), "");
    expect(await sendUpload(fake.fetch, up, { contentType, body })).toMatchObject({
      error: { problem: { code: "invalid_request", data: { file: { code: "validation_required" } } }, unclear: false },
    });
    expect(fake.uploads).toEqual([]);
  });

  it("says what the server refused and what is unclear", async () => {
    const bytes = zip([]);
    const send = async (fault: Fault | null, name = "up.zip", content: Uint8Array<ArrayBuffer> = bytes) => {
      const { fake, up } = await setUp();
      if (fault) fake.faults.add(fault);
      return told(await sendUpload(fake.fetch, up, { contentType, body: frame(name, content) }));
    };
    expect(await send(null, "a.zip")).toEqual(["backup_name_exists", false, false]);
    expect(await send({ kind: "s3Down" })).toEqual(["backup_name_exists", false, false]);
    expect(await send(null, "up.zip", utf8("no zip"))).toEqual(["invalid_request", false, false]);
    expect(await send(null, `${"n".repeat(246)}.zip`)).toEqual(["upload_failed", true, false]);
    expect(await send({ kind: "deadToken" })).toEqual(["upstream_unauthorized", false, true]);
    expect(await send({ kind: "html", status: 413 })).toEqual(["upstream_body_refused", false, false]);
    expect(await send({ kind: "html", status: 524, worked: true })).toEqual(["upstream_timeout", true, false]);
    expect(await send({ kind: "reset", worked: true })).toEqual(["upstream_unreachable", true, false]);
  });

  it("gives nothing of a strange answer away", async () => {
    const fetch: Fetch = async () => new Response("<html>secret path /srv/x</html>", { status: 500 });
    const access: UpstreamAccess = { baseUrl: "https://pb.example.com", headers: {}, token: "t", expires: 0 };
    const answers = [
      await sendUpload(fetch, access, { contentType, body: frame("a.zip", new Uint8Array(0)) }),
      await openDownload(fetch, access, { method: "GET", key: "a.zip", headers: {} }),
    ];
    expect(JSON.stringify(answers)).not.toContain("/srv");
    expect(JSON.stringify(answers)).toContain("upstream_proxy_failed");
  });
});
