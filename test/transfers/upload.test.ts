import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { problem } from "../../src/base/problem.ts";
import { secureRandom } from "../../src/base/random.ts";
import { fail, ok } from "../../src/base/result.ts";
import { upload } from "../../src/transfers/upload.ts";
import type { UploadCall, UploadEnd } from "../../src/transfers/upload-call.ts";
import { digest, pattern } from "../harness/file-server.ts";

const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const utf8 = (text: string) => new TextEncoder().encode(text);

function concat(...parts: (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const bytes = parts.map((part) => (typeof part === "string" ? utf8(part) : part));
  const whole = new Uint8Array(bytes.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of bytes) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const zip = (length: number) => concat("PK\x03\x04", pattern(length - 4));

/** A body that arrives in these pieces, and then ends or breaks. */
function arriving(pieces: Uint8Array[], breaks = false): ReadableStream<Uint8Array> {
  const queue = pieces.filter((piece) => piece.length > 0).map((piece) => piece.slice());
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const next = queue.shift();
      if (next) controller.enqueue(next as Uint8Array<ArrayBuffer>);
      else if (breaks) controller.error(new Error("client is gone"));
      else {
        controller.close();
        controller.byobRequest?.respond(0);
      }
    },
  });
}

type Stored = { name: string; bytes: Uint8Array<ArrayBuffer>; type: string; head: string };

type Serving = {
  /** Answers before it read more than so many bytes. */
  earlyAfter?: number;
  status?: number;
  json?: unknown;
  /** Loses its answer after the whole was read. */
  silent?: boolean;
  refusesConnection?: boolean;
  /** Reads no further after so many bytes, and says nothing. */
  stopsAfter?: number;
};

/** A stand-in for PocketBase's upload: stores what a form parser of another make finds in a body with a last boundary. */
function storage({ earlyAfter, status = 204, json, silent, refusesConnection, stopsAfter }: Serving = {}) {
  const stored: Stored[] = [];
  const seen: { headers: Headers; url: string; bytes: Uint8Array<ArrayBuffer>; dropped: boolean }[] = [];
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (refusesConnection) throw new TypeError("Network connection lost.");
    const headers = new Headers(init.headers);
    const record = { headers, url, bytes: new Uint8Array(0), dropped: false };
    seen.push(record);
    const reader = (init.body as ReadableStream<Uint8Array>).getReader();
    const dropped = new Promise<"dropped">((resolve) =>
      init.signal!.addEventListener("abort", () => resolve("dropped")),
    );
    const pieces: Uint8Array[] = [];
    const answer = () => new Response(json === undefined ? null : JSON.stringify(json), { status });
    for (let count = 0; ; ) {
      const stopped = stopsAfter !== undefined && count >= stopsAfter;
      const next = stopped ? new Promise<never>(() => {}) : reader.read().catch(() => "dropped" as const);
      const read = await Promise.race([next, dropped]);
      record.bytes = concat(...pieces);
      if (read === "dropped") {
        record.dropped = true;
        await reader.cancel().catch(() => {});
        throw new DOMException("The operation was aborted", "AbortError");
      }
      if (read.done) break;
      pieces.push(read.value.slice());
      count += read.value.length;
      if (earlyAfter !== undefined && count > earlyAfter) {
        await reader.cancel(new Error("enough")).catch(() => {});
        return answer();
      }
    }
    record.bytes = concat(...pieces);
    if (silent) throw new TypeError("Network connection lost.");
    if (status === 204) {
      const form = await new Response(record.bytes, { headers }).formData();
      const file = form.get("file") as unknown as File;
      const text = new TextDecoder("latin1").decode(record.bytes.subarray(0, 1000));
      stored.push({
        name: file.name,
        bytes: new Uint8Array(await file.arrayBuffer()),
        type: file.type,
        head: text.slice(0, text.indexOf("\r\n\r\n")),
      });
    }
    return answer();
  };
  return { fetch, stored, seen };
}

type Doing = {
  headers?: Record<string, string>;
  name?: string;
  serving?: Serving;
  signal?: AbortSignal;
} & Partial<Pick<UploadCall<unknown>, "metered" | "check" | "reserve" | "confirm" | "settle" | "clock" | "sleep">>;

async function send(
  form: "multipart" | "raw",
  body: ReadableStream<Uint8Array> | null,
  length: number,
  doing: Doing = {},
) {
  const server = storage(doing.serving);
  const log: string[] = [];
  const ends: UploadEnd[] = [];
  const lasts: boolean[] = [];
  const headers = new Headers({ "content-length": String(length), ...doing.headers });
  if (headers.get("content-length") === "none") headers.delete("content-length");
  const call = {
    ...(form === "raw" ? { form, name: doing.name ?? "raw.zip" } : { form }),
    request: { headers, body, signal: doing.signal ?? new AbortController().signal },
    check: (name: string) => {
      log.push(`check ${name}`);
      return doing.check?.(name) ?? ok(null);
    },
    reserve: async (name: string, size: number | null) => {
      log.push(`reserve ${name} ${size}`);
      const access = {
        baseUrl: "https://pb.example",
        headers: { "x-tunnel": "t" },
        token: "superuser-token",
        expires: 0,
      };
      return doing.reserve?.(name, size) ?? ok({ access });
    },
    confirm: async () => {
      log.push("confirm");
      return doing.confirm?.() ?? ok(null);
    },
    settle: async (end: UploadEnd, last: boolean) => {
      ends.push(end);
      lasts.push(last);
      if (doing.settle) return doing.settle(end, last);
      return end.sent !== null && !end.problem ? ok(end.sent) : fail(end.problem ?? problem("internal"));
    },
    metered: doing.metered ?? false,
    fetch: server.fetch,
    clock: doing.clock ?? (() => 0),
    // A server's last words come at once here or never; nothing else is waited for to the end.
    sleep:
      doing.sleep ??
      ((ms: number, until?: AbortSignal) =>
        new Promise<void>((resolve) => {
          until?.addEventListener("abort", () => resolve());
          if (ms <= 1000) setTimeout(resolve, 20);
        })),
    random: secureRandom,
  } as UploadCall<number>;
  const result = await upload(call);
  return { result, code: result.ok ? null : result.error.code, ends, lasts, log, ...server };
}

const BOUNDARY = "----geckoformboundary1b2c3d";
const type = { "content-type": `multipart/form-data; boundary=${BOUNDARY}` };
const part = (disposition: string | Uint8Array, content: string | Uint8Array, more = "") =>
  concat(`--${BOUNDARY}\r\nContent-Disposition: form-data; `, disposition, `\r\n${more}\r\n`, content, "\r\n");
const last = `--${BOUNDARY}--\r\n`;
const json = part('name="@jsonPayload"', "{}");

const post = (body: Uint8Array, doing: Doing = {}) =>
  send("multipart", arriving([body]), body.length, { ...doing, headers: { ...type, ...doing.headers } });

const content = zip(300_000);
const plain = concat(part('name="file"; filename="a.zip"', content, "Content-Type: application/zip\r\n"), last);

/** A clock that jumps to the next wait's end as soon as nothing else happens. */
function passing() {
  let now = 0;
  let ticking = false;
  const waits = new Set<{ due: number; wake: () => void }>();
  const tick = async () => {
    ticking = true;
    while (waits.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      const [next] = [...waits].sort((one, other) => one.due - other.due);
      if (!next) break;
      waits.delete(next);
      now = next.due;
      next.wake();
    }
    ticking = false;
  };
  const sleep = (ms: number, until?: AbortSignal) =>
    new Promise<void>((resolve) => {
      const wait = { due: now + ms, wake: resolve };
      waits.add(wait);
      until?.addEventListener("abort", () => {
        waits.delete(wait);
        resolve();
      });
      if (!ticking) void tick();
    });
  return { clock: () => now, sleep };
}

/** A list that shows an upload so many ms after the beginning. */
const shownAfter = (ms: number, time: ReturnType<typeof passing>) => ({
  ...time,
  settle: async ({ sent, problem: said }: UploadEnd, last: boolean) => {
    if (time.clock() >= ms) return ok(sent);
    return fail(last ? (said ?? problem("upload_vanished")) : problem("upload_unsettled"));
  },
});

/** The server got nothing that could be taken for a file. */
function nothingStored({ stored, seen }: Awaited<ReturnType<typeof send>>) {
  expect(stored).toEqual([]);
  for (const { bytes } of seen) {
    const text = new TextDecoder("latin1").decode(bytes);
    const boundary = text.slice(0, text.indexOf("\r\n"));
    expect(boundary === "" || !text.includes(`\r\n${boundary}--`)).toBe(true);
  }
}

describe("a form", () => {
  it("reaches the server under a frame of the relay's own, closed after the door's second pass", async () => {
    const { result, stored, seen, log, ends } = await post(plain, {
      headers: { authorization: "brk_secret", cookie: "c" },
    });
    expect(result).toEqual(ok(content.length));
    expect(await digest(stored[0]!.bytes)).toBe(await digest(content));
    expect(stored[0]!.head).toMatch(
      /^--(relay-[0-9A-Za-z]{40})\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\nContent-Type: application\/zip$/,
    );
    expect(log).toEqual(["check a.zip", "reserve a.zip null", "confirm"]);
    expect(ends).toEqual([{ sent: content.length, problem: null, lost: false }]);
    expect(seen[0]!.url).toBe("https://pb.example/api/backups/upload");
    expect(Object.fromEntries(seen[0]!.headers)).toEqual({
      accept: "application/json",
      "accept-encoding": "identity",
      authorization: "superuser-token",
      "content-type": expect.stringMatching(/^multipart\/form-data; boundary=relay-[0-9A-Za-z]{40}$/),
      "x-tunnel": "t",
    });
  });

  it("is the same however its head is cut into pieces", async () => {
    const small = concat("PK\x05\x06", new Uint8Array(18));
    const body = concat(json, part('name="file"; filename="a.zip"', small), last);
    for (let cut = 0; cut <= body.length; cut++) {
      const pieces = [body.subarray(0, cut), body.subarray(cut)];
      const { result, stored } = await send("multipart", arriving(pieces), body.length, { headers: type });
      expect(result).toEqual(ok(22));
      expect(stored[0]!.bytes).toEqual(small);
    }
    const bytes = await send("multipart", arriving([...body].map((byte) => Uint8Array.of(byte))), body.length, {
      headers: type,
    });
    expect(bytes.stored[0]!.bytes).toEqual(small);
  });

  it("keeps bytes that look like a boundary, wherever they are cut", async () => {
    const looks = [
      `\r\n--${BOUNDARY}`,
      `\r\n--${BOUNDARY}x`,
      `\r\n--${BOUNDARY}-x`,
      "\r\n--",
      "\r\n",
      "\r",
      `--${BOUNDARY}--`,
    ];
    const inside = fc.array(fc.oneof(fc.constantFrom(...looks), fc.string({ unit: "binary-ascii" })), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(inside, fc.array(fc.nat(2000), { maxLength: 6 }), async (texts, cuts) => {
        // A bare boundary at the end of a line would be one; each look-alike is followed by a letter.
        const file = concat("PK\x03\x04", ...texts.map((text) => `${text}z`));
        const body = concat(part('name="file"; filename="a.zip"', file), json, last);
        const at = [0, ...cuts.map((cut) => cut % body.length).sort((one, two) => one - two), body.length];
        const pieces = at.slice(1).map((end, n) => body.subarray(at[n], end));
        const { stored } = await send("multipart", arriving(pieces), body.length, { headers: type });
        expect(stored[0]!.bytes).toEqual(file);
      }),
      { numRuns: 150 },
    );
  });

  const named: [string, string | Uint8Array, string][] = [
    ["filename* over filename", `name="file"; filename="plain.zip"; filename*=UTF-8''star%20%C3%A9.zip`, "star é.zip"],
    ["filename* before filename", `name="file"; filename*=utf-8'en'star.zip; filename="plain.zip"`, "star.zip"],
    [
      "filename when filename* has an unknown charset",
      `name="file"; filename="p.zip"; filename*=koi8-r''s.zip`,
      "p.zip",
    ],
    ["a continued file name", `name="file"; filename*0="con"; filename*1="tinued.zip"`, "continued.zip"],
    ["an escaped quote", 'name="file"; filename="q\\"uote.zip"', 'q"uote.zip'],
    ["a percent sign as it is", 'name="file"; filename="q%22b.zip"', "q%22b.zip"],
    ["the last path element", 'name="file"; filename="../dir/up.zip"', "up.zip"],
    ["a backslash as it is", 'name="file"; filename="dir\\sub.zip"', "dir\\sub.zip"],
    ["a full Windows path without its folders", 'name="file"; filename="C:\\x\\y é.zip"', "y é.zip"],
    ["a full Windows path as Go writes it", 'name="file"; filename="C:\\\\x\\\\y.zip"', "y.zip"],
    ["a path on a Windows server", 'name="file"; filename="\\\\\\\\host\\\\x\\\\y.zip"', "y.zip"],
    ["a doubled backslash as one", 'name="file"; filename="dir\\\\sub.zip"', "dir\\sub.zip"],
    ["a bare slash, for the caller's rule to refuse", 'name="file"; filename="/"', "/"],
    ["UTF-8", 'name="file"; filename="é 日本.zip"', "é 日本.zip"],
    ["a token without quotes", "name=file; filename=t.zip", "t.zip"],
    ["parameters in any case and order", 'FILENAME="x.zip"; Name="file"', "x.zip"],
    ["a trailing semicolon", 'name="file"; filename="x.zip";', "x.zip"],
  ];
  for (const [what, disposition, name] of named) {
    it(`takes the name as the server reads it: ${what}`, async () => {
      const { log, result } = await post(concat(part(disposition, content), last));
      expect(log[0]).toBe(`check ${name}`);
      expect(result.ok).toBe(true);
    });
  }

  it("sends on exactly the name that was checked", async () => {
    for (const name of ['q"u\\o.zip', "é 日本.zip", "a#b?c%.zip", "semi;colon=.zip"]) {
      const quoted = name.replace(/["\\]/g, "\\$&");
      const { stored } = await post(concat(part(`name="file"; filename="${quoted}"`, content), last));
      // workerd's own form parser leaves escapes in place: compare the raw header.
      expect(stored[0]!.head).toContain(new TextDecoder("latin1").decode(utf8(`filename="${quoted}"`)));
    }
  });

  const without: [string, Uint8Array][] = [
    ["a file name given twice", concat(part('name="file"; filename="a.zip"; filename="b.zip"', content), last)],
    ["another field", concat(part('name="File"; filename="a.zip"', content), last)],
    ["no file name", concat(part('name="file"', content), last)],
    ["an empty file name", concat(part('name="file"; filename=""', content), last)],
    ["a file name that is no UTF-8", concat(part(latin1('name="file"; filename="\xff.zip"'), content), last)],
    ["no part at all", concat(last)],
    [
      "another disposition",
      concat(
        `--${BOUNDARY}\r\nContent-Disposition: attachment; name="file"; filename="a.zip"\r\n\r\nPK\x03\x04\r\n`,
        last,
      ),
    ],
    ["a part without headers", concat(`--${BOUNDARY}\r\n\r\nPK\x03\x04\r\n`, last)],
    ["nothing but bytes", content],
  ];
  for (const [what, body] of without) {
    it(`with ${what} holds no file`, async () => {
      const got = await post(body);
      expect(got.result).toEqual(
        fail(
          problem("upload_file_missing", {
            data: { file: { code: "validation_required", message: "Cannot be blank." } },
          }),
        ),
      );
      expect(got.log).toEqual([]);
    });
  }

  it("passes over other parts, before and after, broken JSON and a Content-Type of any kind included", async () => {
    const body = concat(
      part('name="@jsonPayload"', "{bad"),
      part('name="other"; filename="other.zip"', content),
      part('name="file"; filename="a.zip"', content, "Content-Type: text/html\r\nX-Odd: 1\r\n"),
      json,
      last,
    );
    const { result, stored } = await post(body);
    expect(result).toEqual(ok(content.length));
    expect(stored[0]!.type).toBe("application/zip");
    expect(stored[0]!.bytes.length).toBe(content.length);
  });

  it("may have a preamble, padding after boundaries and an epilogue", async () => {
    const body = concat(
      "preamble\r\n",
      plain.subarray(0, BOUNDARY.length + 2),
      " \t",
      plain.subarray(BOUNDARY.length + 2),
      "epilogue",
    );
    expect((await post(body)).result).toEqual(ok(content.length));
  });

  it("with a second file is refused, and nothing is stored", async () => {
    const two = part('name="file"; filename="b.zip"', content);
    const got = await post(concat(part('name="file"; filename="a.zip"', content), two, last));
    expect(got.code).toBe("upload_second_file");
    expect(got.ends).toMatchObject([{ sent: null, problem: { code: "upload_second_file" } }]);
    nothingStored(got);
  });

  const broken: [string, Uint8Array][] = [
    ["no last boundary", plain.subarray(0, plain.length - last.length)],
    ["a last boundary without its dashes", plain.subarray(0, plain.length - 4)],
    ["half a last boundary", plain.subarray(0, plain.length - 10)],
    [
      "a first line that ends in LF and a last one in CRLF",
      concat(new TextDecoder("latin1").decode(plain.subarray(0, 200)).replaceAll("\r\n", "\n"), last),
    ],
    [
      "a head longer than 16 KiB",
      concat(part('name="file"; filename="a.zip"', content, `X: ${"y".repeat(17_000)}\r\n`), last),
    ],
    ["a thousand and one parts", concat(...Array(1001).fill(json), plain)],
    [
      "junk after a boundary",
      concat(part('name="file"; filename="a.zip"', content), `--${BOUNDARY} junk\r\n\r\n`, last),
    ],
  ];
  for (const [what, body] of broken) {
    it(`with ${what} is broken, and nothing is stored`, async () => {
      const got = await post(body);
      expect(got.result).toMatchObject({ ok: false, error: { data: { file: { code: "validation_required" } } } });
      expect(["upload_broken", "upload_file_missing"]).toContain(got.code);
      expect(got.ends.length).toBe(got.log.filter((line) => line.startsWith("reserve")).length);
      nothingStored(got);
    });
  }

  it("a client that vanishes at any offset leaves nothing behind", async () => {
    for (let n = 0; n < 10; n++) {
      const at = Math.floor((plain.length * n) / 10);
      const gone = new AbortController();
      const got = await send("multipart", arriving([plain.subarray(0, at)], true), plain.length, {
        headers: type,
        signal: n % 2 ? gone.signal : undefined,
      });
      expect(got.result.ok).toBe(false);
      expect(got.ends.every(({ sent }) => sent === null)).toBe(true);
      expect(got.ends.length).toBe(got.seen.length);
      nothingStored(got);
      expect(got.seen.every(({ dropped }) => dropped)).toBe(true);
    }
  });

  const types = [
    "application/json",
    "multipart/form-data",
    "multipart/mixed; boundary=x",
    'multipart/form-data; boundary=""',
    "",
  ];
  for (const wrong of types) {
    it(`cannot be read from a body of type "${wrong}"`, async () => {
      expect((await post(plain, { headers: { "content-type": wrong } })).code).toBe("upload_file_missing");
    });
  }

  for (const [what, start, fine] of [
    ["a local entry", "PK\x03\x04", true],
    ["an empty archive", "PK\x05\x06", true],
    ["a spanned archive", "PK\x07\x08", true],
    ["half a signature", "PK\x03", false],
    ["a mixed signature", "PK\x03\x06", false],
    ["something before the archive", " PK\x03\x04", false],
    ["text", "hello world", false],
    ["nothing", "", false],
  ] as const) {
    it(`whose file begins with ${what} is ${fine ? "taken" : "refused before anything is reserved"}`, async () => {
      const { result, log } = await post(concat(part('name="file"; filename="\u202ex\u0085.zip"', start), last));
      expect(result.ok).toBe(fine);
      if (fine) return;
      expect(log.length).toBe(1);
      expect(result).toEqual(
        fail(
          problem("upload_not_zip", {
            data: {
              file: {
                code: "validation_invalid_mime_type",
                message: '"\\u{202e}x\\u{85}.zip" mime type must be one of: application/zip.',
              },
            },
          }),
        ),
      );
    });
  }

  it("under a name with control characters is refused whatever the caller's rule says", async () => {
    const evil = `name="file"; filename*=UTF-8''a%0d%0aX-Evil%3A%201.zip`;
    const got = await post(concat(part(evil, content), last));
    expect(got.code).toBe("backup_name_refused");
    expect(got.seen).toEqual([]);
  });

  it("is refused by the caller's rule, the reservation or the door with their own words", async () => {
    const checked = await post(plain, { check: () => fail(problem("backup_name_refused")) });
    expect([checked.code, checked.log]).toEqual(["backup_name_refused", ["check a.zip"]]);
    const reserved = await post(plain, { reserve: async () => fail(problem("quota_exhausted")) });
    expect([reserved.code, reserved.ends, reserved.seen]).toEqual(["quota_exhausted", [], []]);
    const confirmed = await post(plain, { confirm: async () => fail(problem("unauthenticated")) });
    expect(confirmed.code).toBe("unauthenticated");
    expect(confirmed.ends).toEqual([{ sent: null, problem: problem("unauthenticated"), lost: false }]);
    expect(confirmed.seen[0]!.dropped).toBe(true);
    nothingStored(confirmed);
  });
});

describe("a bare file", () => {
  const put = (bytes: Uint8Array, doing: Doing = {}) => send("raw", arriving([bytes]), bytes.length, doing);

  it("reaches the server under the given name, reserved with its size", async () => {
    const { result, stored, log } = await put(content);
    expect(result).toEqual(ok(content.length));
    expect(await digest(stored[0]!.bytes)).toBe(await digest(content));
    expect(stored[0]!.name).toBe("raw.zip");
    expect(log).toEqual(["check raw.zip", `reserve raw.zip ${content.length}`, "confirm"]);
  });

  it("of four bytes is the smallest that passes", async () => {
    expect((await put(utf8("PK\x05\x06"))).result).toEqual(ok(4));
    expect((await put(utf8("PK\x05"))).code).toBe("upload_not_zip");
    expect((await send("raw", null, 0)).code).toBe("upload_not_zip");
  });

  for (const metered of [false, true])
    it(`that is cut leaves nothing behind${metered ? " where it is piped" : ""}`, async () => {
      for (const at of [0, 1, 3, 4, 5, 1000, 100_000, 200_000, 299_998, 299_999]) {
        const got = await send("raw", arriving([content.subarray(0, at)], true), content.length, { metered });
        expect(got.result.ok).toBe(false);
        expect(got.ends.every(({ sent }) => sent === null)).toBe(true);
        nothingStored(got);
      }
    });

  it("is not closed when the door refuses at its second pass", async () => {
    const got = await put(content, { confirm: async () => fail(problem("unauthenticated")) });
    expect(got.code).toBe("unauthenticated");
    expect(got.ends).toEqual([{ sent: null, problem: problem("unauthenticated"), lost: false }]);
    nothingStored(got);
  });
});

for (const form of ["multipart", "raw", "raw, piped"] as const) {
  const metered = form === "raw, piped";
  const go = (doing: Doing = {}) =>
    form === "multipart" ? post(plain, doing) : send("raw", arriving([content]), content.length, { metered, ...doing });

  describe(`${form}: what the server says`, () => {
    it("refused encodings and missing lengths are told before anything is read", async () => {
      expect((await go({ headers: { "content-encoding": "gzip" } })).code).toBe("encoding_refused");
      expect((await go({ headers: { "content-length": "none" } })).code).toBe("length_required");
    });

    it("a name that is taken goes to the look with the whole file sent", async () => {
      const data = {
        file: { code: "validation_backup_name_exists", message: "Backup file with the specified name already exists." },
      };
      const json = { data, message: "An error occurred while validating the submitted data.", status: 400 };
      const { ends } = await go({ serving: { status: 400, json } });
      expect(ends).toEqual([{ sent: content.length, problem: problem("backup_name_exists", { data }), lost: false }]);
    });

    it('"Cannot be blank." after the whole file means that the server read no further', async () => {
      const data = { file: { code: "validation_required", message: "Cannot be blank." } };
      const json = { data, message: "An error occurred while validating the submitted data.", status: 400 };
      const { ends } = await go({ serving: { status: 400, json } });
      expect(ends).toEqual([{ sent: content.length, problem: problem("upload_cut"), lost: false }]);
    });

    it("a client that leaves during the door's second pass leaves nothing behind", async () => {
      const gone = new AbortController();
      const got = await go({
        signal: gone.signal,
        confirm: async () => {
          gone.abort();
          return ok(null);
        },
      });
      expect(got.ends).toMatchObject([{ sent: null }]);
      nothingStored(got);
    });

    it("a lost answer is settled by looking", async () => {
      const { ends } = await go({ serving: { silent: true } });
      expect(ends).toMatchObject([{ sent: content.length, problem: { code: "upstream_unreachable" }, lost: true }]);
    });

    it("an answer before the end ends the upload with its words", async () => {
      const json = { data: {}, message: "Request entity too large.", status: 413 };
      const got = await go({ serving: { earlyAfter: 1000, status: 413, json } });
      expect(got.code).toBe("upstream_body_refused");
      expect(got.ends).toMatchObject([{ sent: null, problem: { code: "upstream_body_refused" } }]);
    });

    it("success before the end is none", async () => {
      const got = await go({ serving: { earlyAfter: 1000, status: 204 } });
      expect(got.code).toBe("upload_cut");
      expect(got.ends).toMatchObject([{ sent: null }]);
    });

    it("a server that cannot be reached", async () => {
      const got = await go({ serving: { refusesConnection: true } });
      expect(got.code).toBe("upstream_unreachable");
      expect(got.ends).toMatchObject([{ sent: null }]);
    });
  });

  describe(`${form}: an object that is reset or overloaded`, () => {
    const thrown = async () => {
      throw new Error("Durable Object reset because its code was updated.");
    };

    it("before it reserved the name: nothing is sent", async () => {
      const got = await go({ reserve: thrown });
      expect([got.code, got.ends, got.seen]).toEqual(["upload_interrupted", [], []]);
    });

    it("at the door's second pass: the server's request ends, nothing is stored, the name is let go", async () => {
      const got = await go({ confirm: thrown });
      expect(got.code).toBe("upload_interrupted");
      expect(got.ends).toEqual([{ sent: null, problem: problem("upload_interrupted"), lost: false }]);
      expect(got.seen[0]!.dropped).toBe(true);
      nothingStored(got);
    });

    it("when it is told the end, is told once more", async () => {
      let tries = 0;
      const once = async ({ sent }: UploadEnd) => (tries++ === 0 ? thrown() : ok(sent));
      expect((await go({ settle: once })).result).toEqual(ok(content.length));
      tries = 0;
      const refused = await go({ settle: once, confirm: async () => fail(problem("unauthenticated")) });
      expect([refused.code, refused.ends.length]).toEqual(["unauthenticated", 2]);
    });

    it("and stays so: what was sent whole is unsettled, what was not is told as it was", async () => {
      const whole = await go({ ...passing(), settle: thrown });
      expect([whole.code, whole.lasts.at(-1)]).toEqual(["upload_unsettled", true]);
      const refused = await go({ settle: thrown, confirm: async () => fail(problem("unauthenticated")) });
      expect(refused.code).toBe("unauthenticated");
    });
  });

  describe(`${form}: a file that the list does not show yet`, () => {
    it("is looked for again, for 20 s when the server said that it stored it", async () => {
      expect((await go(shownAfter(18_000, passing()))).result).toEqual(ok(content.length));
      const time = passing();
      const never = await go(shownAfter(Number.POSITIVE_INFINITY, time));
      expect([never.code, time.clock()]).toEqual(["upload_vanished", 20_000]);
      expect(never.lasts.filter((last) => last)).toEqual([true]);
    });

    it("is looked for again, for 15 s when the answer was lost or a proxy's", async () => {
      for (const serving of [{ silent: true }, { status: 524 }] as Serving[]) {
        const found = await go({ serving, ...shownAfter(14_000, passing()) });
        expect(found.result).toEqual(ok(content.length));
        const time = passing();
        const never = await go({ serving, ...shownAfter(Number.POSITIVE_INFINITY, time) });
        expect(time.clock()).toBe(15_000);
        expect(never.code).toBe(serving.silent ? "upstream_unreachable" : "upstream_timeout");
      }
    });

    it("is looked for once when the server itself said that it did not store it", async () => {
      const json = { data: {}, message: "Failed to upload backup.", status: 400 };
      const got = await go({ serving: { status: 400, json }, ...shownAfter(1_000, passing()) });
      expect([got.code, got.lasts]).toEqual(["upload_failed", [true]]);
    });
  });

  describe(`${form}: a server that stops reading`, () => {
    for (const [where, stopsAfter] of [
      ["before the file", 0],
      ["in the middle of it", 100_000],
      ["before the last boundary", content.length],
    ] as const) {
      const most = metered && stopsAfter < content.length ? 330_000 : 120_000;
      it(`${where} is given up on within ${most / 60_000} minutes, and the name is let go`, async () => {
        const time = passing();
        const got = await go({ serving: { stopsAfter }, ...shownAfter(Number.POSITIVE_INFINITY, time) });
        expect(got.code).toBe("upstream_timeout");
        expect(time.clock()).toBeGreaterThanOrEqual(60_000);
        expect(time.clock()).toBeLessThanOrEqual(most + 15_000);
        expect(got.seen[0]!.dropped).toBe(true);
        expect(got.lasts.at(-1)).toBe(true);
        nothingStored(got);
      });
    }
  });
}
