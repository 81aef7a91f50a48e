import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Problem, problem } from "../../src/base/problem.ts";
import { fail, ok } from "../../src/base/result.ts";
import { download } from "../../src/transfers/download.ts";
import { pieceLength } from "../../src/transfers/download-first.ts";
import {
  callOf,
  DATE,
  type Doing,
  digest,
  type Fault,
  fileServer,
  OTHER_DATE,
  pattern,
} from "../harness/file-server.ts";

const MIB = 1024 * 1024;
const file = pattern(3 * MIB + 17);

/** Runs a download to its end: the bytes, or "broken" when the client saw the transfer break. */
async function run(healing: "exact" | "segments" | "off", faults: Fault[], doing: Doing = {}, of = file) {
  const server = fileServer(of, faults);
  const world = callOf(server, of.length, healing, doing);
  const answer = await download(world.call);
  if (!answer.ok) return { ...world, server, problem: answer.error, response: null, bytes: null };
  const bytes = await answer.value.arrayBuffer().then(
    (buffer) => new Uint8Array(buffer),
    () => "broken" as const,
  );
  await world.settled();
  return { ...world, server, problem: null, response: answer.value, bytes };
}

const same = async (bytes: Uint8Array | string | null, wanted: Uint8Array) =>
  expect(bytes instanceof Uint8Array && (await digest(bytes))).toBe(await digest(wanted));

describe("a running transfer", () => {
  for (const [healing, metered] of [
    ["exact", true],
    ["segments", false],
  ] as const)
    it(`passes the door at least every 15 s (${healing}), and ends when it is refused`, async () => {
      let now = 0;
      let last = 0;
      const asked: number[] = [];
      const clock = () => {
        now += 2_000;
        return now;
      };
      const refusal = async () => {
        asked.push(now - last);
        last = now;
        return asked.length < 3 ? null : problem("unauthenticated");
      };
      const { bytes, ends } = await run(healing, [], { metered, clock, refusal });
      expect(bytes).toBe("broken");
      expect(ends).toMatchObject([{ outcome: "failed", reason: "unauthenticated" }]);
      expect(ends[0]!.bytes).toBeLessThan(file.length);
      expect(asked).toHaveLength(3);
      expect(Math.max(...asked)).toBeLessThan(30_000);
    });

  it("does not end because nobody can tell just now, nor asks before 15 s are over", async () => {
    let asked = 0;
    const refusal = async () => {
      asked++;
      return null;
    };
    let now = 0;
    await same((await run("exact", [], { clock: () => (now += 5_000), refusal })).bytes, file);
    expect(asked).toBeGreaterThan(0);
    asked = 0;
    await same((await run("exact", [], { refusal })).bytes, file);
    expect(asked).toBe(0);
  });
});

describe("a part of one version", () => {
  const tag = `"backup.zip:${file.length}:${Date.parse(DATE) / 1000}"`;
  const range = "bytes=1000-1999";
  const ask = (headers: Record<string, string>, more: Doing = {}, healing: "exact" | "segments" | "off" = "off") =>
    run(healing, [], { headers, ...more });

  for (const healing of ["exact", "segments", "off"] as const)
    it(`is given when If-Range names its tag, and the whole otherwise (${healing})`, async () => {
      for (const moving of [false, true]) {
        const part = await ask({ range, "if-range": tag }, { moving }, healing);
        expect([part.response!.status, part.response!.headers.get("etag")]).toEqual([206, tag]);
        await same(part.bytes, file.subarray(1000, 2000));
        for (const other of ['"other"', OTHER_DATE]) {
          const whole = await ask({ range, "if-range": other }, { moving }, healing);
          expect([whole.response!.status, whole.response!.headers.get("content-range")]).toEqual([200, null]);
          await same(whole.bytes, file);
        }
      }
      const unpinned = await ask({ range }, { moving: true }, healing);
      expect(unpinned.response!.status).toBe(200);
      await same(unpinned.bytes, file);
    });

  it("an unknown version is refused, a known one not sent again", async () => {
    const doings: [Record<string, string>, number][] = [
      [{ "if-match": '"other"' }, 412],
      [{ "if-none-match": tag }, 304],
      [{ "if-match": tag, range }, 206],
      [{ "if-none-match": '"other"' }, 200],
    ];
    for (const [headers, status] of doings) {
      const { response, ends, server } = await ask(headers);
      expect([headers, response!.status]).toEqual([headers, status]);
      if (status === 304) expect(response!.headers.get("etag")).toBe(tag);
      expect(ends).toHaveLength(1);
      if (status >= 300) expect(server.asked.every(({ signal }) => signal.aborted)).toBe(true);
    }
  });

  it("past the end of another version is the whole of this one, of this version a refusal", async () => {
    const beyond = { range: `bytes=${file.length}-` };
    const past = (headers: Record<string, string>) =>
      run("off", [{ status: 416, headers: { "content-range": `bytes */${file.length}` } }], { headers });
    expect((await past({ ...beyond, "if-range": tag })).response!.status).toBe(416);
    const whole = await past({ ...beyond, "if-range": '"other"' });
    expect(whole.response!.status).toBe(200);
    await same(whole.bytes, file);
  });
});

describe("exact healing", () => {
  const mid = MIB + 77_777;
  for (const how of ["error", "end"] as const) {
    for (const cut of [0, 1, mid, file.length - 1]) {
      it(`goes on at byte ${cut} after the body breaks there by ${how}`, async () => {
        const { bytes, ends, opened, server } = await run("exact", [{ cut, how }]);
        await same(bytes, file);
        expect(ends).toEqual([{ bytes: file.length, outcome: "complete" }]);
        expect(opened).toEqual([false, false]);
        const again = server.asked[1]!;
        expect(again.headers.get("if-range")).toBe(DATE);
        const [, from] = /^bytes=(\d+)-(\d+)$/.exec(again.headers.get("range")!)!;
        // Where a read breaks, what it had gathered is fetched again; nothing is ever left out.
        expect(Number(from)).toBeLessThanOrEqual(cut);
        expect(again.url.searchParams.get("token")).toBe("token-2");
      });
    }
  }

  it("survives five cuts in a row that let nothing pass", async () => {
    const { bytes, slept } = await run("exact", [
      { cut: 500_000 },
      { cut: 0 },
      { throws: true },
      { cut: 0 },
      { status: 502 },
    ]);
    await same(bytes, file);
    expect(slept).toEqual([125, 250, 500, 1000]);
  });

  it("delivers the very file under any series of cuts", async () => {
    const cuts = fc.array(
      fc.record({ cut: fc.nat(file.length), how: fc.constantFrom("error" as const, "end" as const) }),
      {
        maxLength: 7,
      },
    );
    await fc.assert(
      fc.asyncProperty(cuts, async (faults) => {
        await same((await run("exact", faults)).bytes, file);
      }),
      { numRuns: 40 },
    );
  });

  it("heals at 20 random offsets of one transfer", async () => {
    const faults = Array.from({ length: 20 }, (_, n) => ({ cut: 65_536 + ((n * 7919) % 90_000) }));
    const { bytes, server } = await run("exact", faults);
    await same(bytes, file);
    expect(server.asked.length).toBe(21);
  });

  it("heals a range within its own window", async () => {
    const { bytes, response } = await run("exact", [{ cut: 10 }], { headers: { range: "bytes=1000-2000999" } });
    await same(bytes, file.subarray(1000, 2_001_000));
    expect(response!.status).toBe(206);
    expect(response!.headers.get("content-range")).toBe(`bytes 1000-2000999/${file.length}`);
  });

  it("heals a suffix range", async () => {
    const { bytes } = await run("exact", [{ cut: 0 }], { headers: { range: "bytes=-70000" } });
    await same(bytes, file.subarray(file.length - 70_000));
  });

  it("asks for another token when the server rejects one, at the start and in the middle", async () => {
    const denied = {
      status: 403,
      json: { data: {}, message: "Insufficient permissions to access the resource.", status: 403 },
    };
    const { bytes, opened } = await run("exact", [denied, { cut: mid }, denied]);
    await same(bytes, file);
    expect(opened).toEqual([false, true, false, true]);
  });

  it("breaks off when the caller is refused, as for a revoked key", async () => {
    let passes = 0;
    const authorize = async () =>
      ++passes > 1
        ? fail(problem("unauthenticated"))
        : ok({ baseUrl: "https://pb.example", headers: {}, token: "t", expires: 0 });
    const { bytes, ends, server } = await run("exact", [{ cut: mid }], { authorize });
    expect(bytes).toBe("broken");
    expect(ends).toMatchObject([{ outcome: "failed", reason: "unauthenticated" }]);
    expect(server.asked.length).toBe(1);
  });

  it("waits for a token that cannot be had while the server restarts", async () => {
    let passes = 0;
    const authorize = async () =>
      [2, 3].includes(++passes)
        ? fail(problem("upstream_unreachable"))
        : ok({ baseUrl: "https://pb.example", headers: {}, token: "t", expires: 0 });
    await same((await run("exact", [{ cut: mid }], { authorize })).bytes, file);
  });

  const spoiled: [string, Fault, string][] = [
    ["another date", { date: OTHER_DATE }, "backup_changed"],
    ["another size", { total: file.length + 1 }, "backup_changed"],
    ["a file that shrank", { status: 416 }, "backup_changed"],
    ["the whole file instead of the range", { ignoresRange: true }, "upstream_invalid"],
    ["another range than asked", { shift: 1 }, "upstream_invalid"],
    ["a recoded body", { headers: { "content-encoding": "gzip" } }, "upstream_invalid"],
    ["a wrong length", { headers: { "content-length": "12" } }, "upstream_invalid"],
    ["no length", { headers: { "content-length": null } }, "upstream_invalid"],
    ["no date", { date: null, headers: { "last-modified": null } }, "upstream_invalid"],
    ["a redirect", { status: 302 }, "upstream_redirected"],
    ["more bytes than announced", { extra: 5 }, "upstream_invalid"],
    [
      "a vanished file",
      { status: 404, json: { data: {}, message: "The requested resource wasn't found.", status: 404 } },
      "backup_not_found",
    ],
  ];
  for (const [what, fault, reason] of spoiled) {
    it(`breaks off rather than go on with ${what}`, async () => {
      const { bytes, ends } = await run("exact", [{ cut: mid }, fault]);
      expect(bytes).toBe("broken");
      expect(ends).toMatchObject([{ outcome: "failed" }]);
      // A server that shows no date when asked for a version answers 200: it no longer has that version.
      expect(ends[0]!.reason).toBe(what === "no date" ? "backup_changed" : reason);
    });
  }

  it("gives up visibly after eight tries without progress", async () => {
    const { bytes, ends, server } = await run("exact", [{ cut: 100_000 }, ...Array(50).fill({ cut: 0 })]);
    expect(bytes).toBe("broken");
    expect(ends).toMatchObject([{ outcome: "failed", reason: "transfer_cut" }]);
    expect(server.asked.length).toBe(9);
  });

  it("takes a server that falls silent for a broken one", async () => {
    const { bytes, server } = await run("exact", [{ cut: MIB, hangs: true }], {
      sleep: (ms, until) =>
        new Promise<void>((resolve) => {
          until?.addEventListener("abort", () => resolve());
          setTimeout(resolve, ms >= 60_000 ? 300 : 0);
        }),
    });
    expect(server.asked[0]!.signal.aborted).toBe(true);
    await same(bytes, file);
  });

  it("a client that takes nothing holds the server back", async () => {
    let given = 0;
    const body = new ReadableStream({
      type: "bytes",
      pull(controller) {
        given += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    const headers = { "content-length": String(100 * MIB), "last-modified": DATE };
    const { call } = callOf({ fetch: async () => new Response(body, { headers }) }, 100 * MIB, "exact");
    const answer = await download(call);
    expect(answer.ok).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(given).toBeLessThanOrEqual(2 * MIB);
  });

  it("a transfer is complete when the client's side asks for what follows the last byte, not before", async () => {
    const server = fileServer(file);
    const world = callOf(server, file.length, "exact");
    const answer = await download(world.call);
    const reader = (answer.ok ? answer.value.body! : null)!.getReader();
    let got = 0;
    let last = 0;
    while (got < file.length) {
      last = (await reader.read()).value!.byteLength;
      got += last;
    }
    expect(world.ends).toEqual([]);
    expect(last).toBeLessThanOrEqual(64 * 1024);
    expect((await reader.read()).done).toBe(true);
    await world.settled();
    expect(world.ends).toEqual([{ bytes: file.length, outcome: "complete" }]);
  });

  it("a client that leaves with the last bytes is not reported as served", async () => {
    const world = callOf(fileServer(file), file.length, "exact");
    const answer = await download(world.call);
    const reader = (answer.ok ? answer.value.body! : null)!.getReader();
    for (let got = 0; got < file.length; ) got += (await reader.read()).value!.byteLength;
    await reader.cancel();
    await world.settled();
    expect(world.ends).toEqual([{ bytes: file.length, outcome: "client_gone" }]);
  });

  it("gives memory back as it goes: a chunk is empty once the next was asked for", async () => {
    const answer = await download(callOf(fileServer(file), file.length, "exact").call);
    const reader = (answer.ok ? answer.value.body! : null)!.getReader();
    const first = (await reader.read()).value!;
    const [size, second] = [first.byteLength, (await reader.read()).value!];
    expect(size).toBeGreaterThan(0);
    expect(first.byteLength).toBe(0);
    expect(second.byteLength).toBeGreaterThan(0);
  });

  it("a client that leaves ends the server's connection", async () => {
    const server = fileServer(file, [{ cut: MIB, hangs: true }]);
    const world = callOf(server, file.length, "exact");
    const answer = await download(world.call);
    const reader = (answer.ok ? answer.value.body! : null)!.getReader();
    await reader.read();
    await reader.cancel();
    await world.settled();
    expect(world.ends).toMatchObject([{ outcome: "client_gone" }]);
    expect(server.asked[0]!.signal.aborted).toBe(true);
  });

  it("a client that leaves while the relay waits for the next try is not tried for", async () => {
    const gone = new AbortController();
    const { ends, server } = await run("exact", [{ cut: 1000 }, { status: 502 }, { status: 502 }], {
      signal: gone.signal,
      sleep: async (ms, until) => {
        if (ms < 60_000) return gone.abort();
        return new Promise((resolve) => until?.addEventListener("abort", () => resolve()));
      },
    });
    expect(ends).toMatchObject([{ outcome: "client_gone" }]);
    expect(server.asked.length).toBe(2);
  });

  it("passes a file without a date on unhealed, its cut visible", async () => {
    const { bytes, ends } = await run("exact", [{ cut: mid, date: null }]);
    expect(bytes).toBe("broken");
    expect(ends).toEqual([{ bytes: 0, outcome: "handed_over" }]);
  });
});

describe("segments", () => {
  const size = 130 * MIB + 3;
  /** Big files without the memory: every byte tells the MiB it stands in. */
  function bigServer(faults: Fault[] = [], length = size) {
    const asked: { range: string | null; token: string | null; signal: AbortSignal }[] = [];
    const queue = [...faults];
    const fetch = async (url: string, init: RequestInit) => {
      const headers = new Headers(init.headers);
      const range = headers.get("range");
      asked.push({ range, token: new URL(url).searchParams.get("token"), signal: init.signal! });
      const fault = queue.shift() ?? {};
      if (fault.throws) throw new TypeError("reset");
      if (fault.status) return new Response(null, { status: fault.status });
      const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
      const versions = headers.get("if-range") ?? DATE;
      const partial = match !== null && versions === DATE && !fault.ignoresRange;
      const [start, end] = partial ? [Number(match[1]), Number(match[2])] : [0, length - 1];
      const stop = fault.cut === undefined ? end + 1 : start + fault.cut;
      let at = start;
      const source = new ReadableStream({
        type: "bytes",
        pull(controller) {
          if (at < stop) {
            controller.enqueue(new Uint8Array(Math.min(MIB - (at % MIB), stop - at)).fill((at >> 20) & 255));
            at += MIB - (at % MIB);
          } else if (fault.cut === undefined) controller.close();
          else controller.error(new Error("reset"));
        },
      });
      const told = start + (fault.shift ?? 0);
      return new Response(source, {
        status: partial ? 206 : 200,
        headers: {
          "last-modified": fault.date ?? DATE,
          "content-length": String(end - start + 1),
          ...(partial ? { "content-range": `bytes ${told}-${end}/${length}` } : {}),
          ...(fault.headers as Record<string, string>),
        },
      });
    };
    return { fetch, asked };
  }

  /** One read of at most the rest of a MiB; a stream of chunks is cut to that. */
  function reads(body: ReadableStream<Uint8Array>, chunks: boolean): (most: number) => Promise<Uint8Array> {
    if (!chunks) {
      const reader = body.getReader({ mode: "byob" });
      return async (most) => (await reader.readAtLeast(most, new Uint8Array(most))).value ?? new Uint8Array(0);
    }
    const reader = body.getReader();
    let rest = new Uint8Array(0);
    return async (most) => {
      // A copy: the chunk is given back when the next one is asked for.
      if (rest.length === 0) rest = new Uint8Array((await reader.read()).value ?? []);
      const read = rest.subarray(0, most);
      rest = rest.subarray(most);
      return read;
    };
  }

  async function measure(response: Response, from = 0, chunks = false): Promise<number | "broken" | "wrong"> {
    const read = reads(response.body!, chunks);
    let at = from;
    try {
      for (;;) {
        const value = await read(MIB - (at % MIB));
        if (value.length === 0) return at - from;
        if (value[0] !== ((at >> 20) & 255) || value.at(-1) !== value[0]) return "wrong";
        at += value.byteLength;
      }
    } catch {
      return "broken";
    }
  }

  it("fetches pieces of 64 MiB, each with a token of its own, and joins them", async () => {
    const server = bigServer([{}, { throws: true }, { status: 502 }]);
    const world = callOf(server, size, "segments");
    const answer = await download(world.call);
    expect(answer.ok && answer.value.status).toBe(200);
    expect(answer.ok && answer.value.headers.get("content-range")).toBe(null);
    expect(await measure((answer as { value: Response }).value)).toBe(size);
    await world.settled();
    expect(world.ends).toEqual([{ bytes: size, outcome: "complete" }]);
    const piece = 64 * MIB;
    expect(server.asked.map(({ range }) => range)).toEqual([
      `bytes=0-${piece - 1}`,
      ...Array(3).fill(`bytes=${piece}-${2 * piece - 1}`),
      `bytes=${2 * piece}-${size - 1}`,
    ]);
    expect(new Set(server.asked.map(({ token }) => token)).size).toBe(5);
  });

  it("a break inside a piece ends visibly", async () => {
    const server = bigServer([{}, { cut: 5 * MIB }]);
    const world = callOf(server, size, "segments");
    const answer = await download(world.call);
    expect(await measure((answer as { value: Response }).value)).toBe("broken");
    await world.settled();
    expect(world.ends).toEqual([{ bytes: 64 * MIB, outcome: "failed", reason: "transfer_cut" }]);
  });

  for (const metered of [true, false])
    it(`a file swapped between pieces ends visibly${metered ? "" : " where they are pumped"}`, async () => {
      const server = bigServer([{}, { date: OTHER_DATE }]);
      const world = callOf(server, size, "segments", { metered });
      const answer = await download(world.call);
      expect(await measure((answer as { value: Response }).value, 0, !metered)).toBe("broken");
      await world.settled();
      expect(world.ends).toMatchObject([{ outcome: "failed", reason: "backup_changed" }]);
    });

  it("pumped: the next piece is opened while the end of the one before comes in, and closed unread when the client leaves", async () => {
    const server = bigServer();
    const world = callOf(server, size, "segments", { metered: false });
    const answer = await download(world.call);
    const reader = (answer as { value: Response }).value.body!.getReader();
    let got = 0;
    while (got < 58 * MIB) got += (await reader.read()).value!.byteLength;
    expect(server.asked.length).toBe(1);
    while (got < 62 * MIB) got += (await reader.read()).value!.byteLength;
    expect(server.asked.map(({ range }) => range)[1]).toBe(`bytes=${64 * MIB}-${128 * MIB - 1}`);
    await reader.cancel();
    await world.settled();
    expect(world.ends).toMatchObject([{ outcome: "client_gone" }]);
    expect(server.asked.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  });

  it("pumped where nothing is metered: the same pieces, and a break inside one heals at its byte", async () => {
    const server = bigServer([{ cut: 5 * MIB }, {}, { throws: true }]);
    const world = callOf(server, size, "segments", { metered: false });
    const answer = await download(world.call);
    expect(await measure((answer as { value: Response }).value, 0, true)).toBe(size);
    await world.settled();
    expect(world.ends).toEqual([{ bytes: size, outcome: "complete" }]);
    const ranges = server.asked.map(({ range }) => /^bytes=(\d+)-(\d+)$/.exec(range!)!.slice(1).map(Number));
    expect(ranges.map(([, end]) => end)).toEqual([64, 64, 128, 128].map((mib) => mib * MIB - 1).concat(size - 1));
    const starts = ranges.map(([start]) => start!);
    expect(starts[1]).toBeGreaterThan(0);
    expect(starts[1]).toBeLessThanOrEqual(5 * MIB);
    expect(starts.filter((_, n) => n !== 1)).toEqual([0, 64 * MIB, 64 * MIB, 128 * MIB]);
    expect(new Set(server.asked.map(({ token }) => token)).size).toBe(5);
  });

  it("serves a caller's range in pieces of its own window", async () => {
    const server = bigServer();
    const world = callOf(server, size, "segments", { headers: { range: `bytes=${MIB}-` } });
    const answer = await download(world.call);
    expect(answer.ok && answer.value.status).toBe(206);
    expect(answer.ok && answer.value.headers.get("content-range")).toBe(`bytes ${MIB}-${size - 1}/${size}`);
    expect(await measure((answer as { value: Response }).value, MIB)).toBe(size - MIB);
    expect(server.asked.map(({ range }) => range)).toEqual([
      `bytes=${MIB}-${65 * MIB - 1}`,
      `bytes=${65 * MIB}-${129 * MIB - 1}`,
      `bytes=${129 * MIB}-${size - 1}`,
    ]);
  });

  it("a caller with a part of another version gets the whole file in pieces", async () => {
    const server = bigServer();
    const headers = { range: "bytes=5-", "if-range": OTHER_DATE };
    const world = callOf(server, size, "segments", { headers });
    const answer = await download(world.call);
    expect(answer.ok && answer.value.status).toBe(200);
    expect(await measure((answer as { value: Response }).value)).toBe(size);
    expect(server.asked.length).toBe(4);
  });

  it("a server that knows no ranges is passed through whole", async () => {
    const server = bigServer([{ ignoresRange: true }]);
    const world = callOf(server, size, "segments");
    const answer = await download(world.call);
    expect(await measure((answer as { value: Response }).value)).toBe(size);
    expect(world.ends).toEqual([{ bytes: 0, outcome: "handed_over" }]);
  });

  it("a server that knows no ranges comes whole where it is pumped, too", async () => {
    const server = bigServer([{ ignoresRange: true }]);
    const world = callOf(server, size, "segments", { metered: false });
    const answer = await download(world.call);
    expect(await measure((answer as { value: Response }).value, 0, true)).toBe(size);
    await world.settled();
    expect(server.asked.length).toBe(1);
    expect(world.ends).toEqual([{ bytes: size, outcome: "complete" }]);
  });

  const access = { baseUrl: "https://pb.example", headers: {}, token: "t", expires: 0 };
  /** Authorizes but for the calls from `first` to `last`, counted from one, which do what `otherwise` does. */
  const authorizingBut = (first: number, last: number, otherwise: () => ReturnType<typeof fail<Problem>>) => {
    let passes = 0;
    return async () => {
      passes++;
      return passes >= first && passes <= last ? otherwise() : ok(access);
    };
  };
  const throwing = () => {
    throw new TypeError("Durable Object reset because its code was updated.");
  };

  for (const metered of [true, false]) {
    const where = metered ? "piped" : "pumped";
    async function ended(faults: Fault[], doing: Doing = {}) {
      const server = bigServer(faults);
      const world = callOf(server, size, "segments", { metered, ...doing });
      const answer = await download(world.call);
      const measured = await measure((answer as { value: Response }).value, 0, !metered);
      await world.settled();
      return { measured, ends: world.ends, server };
    }

    const spoiled: [string, Fault][] = [
      ["another range", { shift: 1 }],
      ["a recoded body", { headers: { "content-encoding": "gzip" } }],
      ["a wrong length", { headers: { "content-length": "12" } }],
      ["the whole file", { ignoresRange: true }],
    ];
    for (const [what, fault] of spoiled)
      it(`${where}: ${what} as the second piece ends visibly`, async () => {
        const { measured, ends } = await ended([{}, fault]);
        expect(measured).toBe("broken");
        expect(ends).toEqual([{ bytes: 64 * MIB, outcome: "failed", reason: "upstream_invalid" }]);
      });

    it(`${where}: a key that is revoked between pieces ends the transfer, and the server is not asked`, async () => {
      const authorize = authorizingBut(2, 2, () => fail(problem("unauthenticated")));
      const { measured, ends, server } = await ended([], { authorize });
      expect(measured).toBe("broken");
      expect(ends).toEqual([{ bytes: 64 * MIB, outcome: "failed", reason: "unauthenticated" }]);
      expect(server.asked.length).toBe(1);
    });

    it(`${where}: an instance that throws once is asked again`, async () => {
      const { measured, ends } = await ended([], { authorize: authorizingBut(2, 2, throwing) });
      expect(measured).toBe(size);
      expect(ends).toEqual([{ bytes: size, outcome: "complete" }]);
    });

    it(`${where}: an instance that always throws ends the transfer visibly, told once`, async () => {
      const { measured, ends } = await ended([], { authorize: authorizingBut(2, 99, throwing) });
      expect(measured).toBe("broken");
      expect(ends).toEqual([{ bytes: 64 * MIB, outcome: "failed", reason: "internal" }]);
    });

    it(`${where}: whatever else throws ends the transfer visibly, told once`, async () => {
      const { measured, ends } = await ended([{}, ...Array(3).fill({ throws: true })], { random: throwing });
      expect(measured).toBe("broken");
      expect(ends).toMatchObject([{ outcome: "failed", reason: "internal" }]);
    });

    for (const pieces of [1, 2])
      it(`${where}: ${pieces * 64} MiB to the byte are ${pieces} request${pieces > 1 ? "s" : ""}`, async () => {
        const whole = pieces * 64 * MIB;
        const server = bigServer([], whole);
        const world = callOf(server, whole, "segments", { metered });
        const answer = await download(world.call);
        expect(answer.ok && answer.value.status).toBe(200);
        expect(await measure((answer as { value: Response }).value, 0, !metered)).toBe(whole);
        await world.settled();
        const [first, second] = [`bytes=0-${64 * MIB - 1}`, `bytes=${64 * MIB}-${whole - 1}`];
        expect(server.asked.map(({ range }) => range)).toEqual(pieces === 1 ? [null] : [first, second]);
        const byRuntime = metered && pieces === 1;
        expect(world.ends).toEqual([
          byRuntime ? { bytes: 0, outcome: "handed_over" } : { bytes: whole, outcome: "complete" },
        ]);
      });

    it(`${where}: a client that leaves ends the server's connection`, async () => {
      const server = bigServer();
      const leaving = new AbortController();
      const world = callOf(server, size, "segments", { metered, signal: leaving.signal });
      const answer = await download(world.call);
      const reader = (answer as { value: Response }).value.body!.getReader();
      await reader.read();
      leaving.abort();
      await reader.cancel().catch(() => {});
      await world.settled();
      expect(world.ends).toMatchObject([{ outcome: "client_gone" }]);
      expect(server.asked.map(({ signal }) => signal.aborted)).toEqual([true]);
    });
  }

  it("pumped: what fits into one piece heals as well, whole or a range", async () => {
    for (const range of [undefined, "bytes=1000-2000999"]) {
      const headers: Record<string, string> = range ? { range } : {};
      const { bytes, ends, server } = await run("segments", [{ cut: MIB }], { metered: false, headers });
      await same(bytes, range ? file.subarray(1000, 2_001_000) : file);
      expect(ends).toEqual([{ bytes: (bytes as Uint8Array).length, outcome: "complete" }]);
      expect(server.asked.map((one) => one.headers.get("range"))[0]).toBe(range ?? null);
      expect(server.asked.length).toBe(2);
    }
  });

  it("piped: what fits into one piece is one answer that the runtime passes on", async () => {
    const { bytes, ends, server } = await run("segments", [{ cut: MIB }]);
    expect(bytes).toBe("broken");
    expect(ends).toEqual([{ bytes: 0, outcome: "handed_over" }]);
    expect(server.asked.length).toBe(1);
  });

  it("never needs more than 40 pieces", () => {
    for (const gib of [0.01, 1, 3, 100, 5000]) {
      const length = Math.round(gib * 1024 * MIB);
      expect(Math.ceil(length / pieceLength(length))).toBeLessThanOrEqual(40);
      expect(pieceLength(length)).toBeGreaterThanOrEqual(64 * MIB);
    }
  });
});

describe("every mode", () => {
  for (const healing of ["exact", "segments", "off"] as const) {
    const small = pattern(5000);

    it(`${healing}: answers a whole small file with headers of its own`, async () => {
      const { response, bytes, server } = await run(
        healing,
        [],
        { headers: { authorization: "secret", cookie: "c=1", "x-mine": "1", "accept-encoding": "gzip", range: "" } },
        small,
      );
      await same(bytes, small);
      expect(Object.fromEntries(response!.headers)).toEqual({
        "accept-ranges": "bytes",
        "cache-control": "private, no-store",
        "content-disposition": 'attachment; filename="backup.zip"',
        "content-security-policy": "default-src 'none'; sandbox",
        "content-type": "application/zip",
        etag: `"backup.zip:${small.length}:${Date.parse(DATE) / 1000}"`,
        "last-modified": DATE,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
      });
      const [sent] = server.asked;
      expect(Object.keys(Object.fromEntries(sent!.headers)).sort()).toEqual(["accept-encoding", "x-tunnel"]);
      expect(sent!.headers.get("accept-encoding")).toBe("identity");
      expect(sent!.url.href).toBe("https://pb.example/base/api/backups/backup.zip?token=token-1");
    });

    it(`${healing}: HEAD tells length and date and opens no body`, async () => {
      const { response, ends, server } = await run(healing, [], { method: "HEAD" });
      expect(response!.headers.get("content-length")).toBe(String(file.length));
      expect(response!.body).toBe(null);
      expect(server.asked[0]!.method).toBe("HEAD");
      expect(ends).toEqual([{ bytes: 0, outcome: "complete" }]);
    });

    it(`${healing}: passes preconditions on and 304 and 412 back, without a body`, async () => {
      for (const [status, name, value] of [
        [304, "if-modified-since", DATE],
        [412, "if-unmodified-since", OTHER_DATE],
      ] as const) {
        const { response, server } = await run(healing, [{ status, headers: { "last-modified": DATE } }], {
          headers: { [name]: value },
        });
        expect(response!.status).toBe(status);
        expect(response!.body).toBe(null);
        expect(response!.headers.get("cache-control")).toBe("private, no-store");
        expect(server.asked[0]!.headers.get(name)).toBe(value);
      }
    });

    it(`${healing}: 416 as PocketBase words it, with and without a Content-Range`, async () => {
      const beyond = await run(
        healing,
        [{ status: 416, headers: { "content-range": `bytes */${file.length}`, "content-type": "text/html" } }],
        { headers: { range: "bytes=99999999-" } },
      );
      expect(beyond.response!.status).toBe(416);
      expect(beyond.response!.headers.get("content-range")).toBe(`bytes */${file.length}`);
      expect(beyond.response!.headers.get("content-type")).toBe("text/plain; charset=utf-8");
      expect(new TextDecoder().decode(beyond.bytes as Uint8Array)).toBe("invalid range: failed to overlap\n");
      const odd = await run(healing, [{ status: 416 }], { headers: { range: "items=0-1" } });
      expect(new TextDecoder().decode(odd.bytes as Uint8Array)).toBe("invalid range\n");
    });

    it(`${healing}: several ranges pass as they are, if their boundary is sound`, async () => {
      const several = { range: "bytes=0-3,10-13" };
      const type = "multipart/byteranges; boundary=0123456789abcdef";
      const answer = { ignoresRange: true, headers: { "content-type": type, "content-length": "9" } };
      const server = fileServer(pattern(9), [answer]);
      const world = callOf(
        {
          fetch: async (url, init) =>
            new Response((await server.fetch(url, init)).body, { status: 206, headers: answer.headers }),
        },
        5000,
        healing,
        { headers: several },
      );
      const got = await download(world.call);
      expect(got.ok && got.value.status).toBe(206);
      expect(got.ok && got.value.headers.get("content-type")).toBe('multipart/byteranges; boundary="0123456789abcdef"');
      await same(new Uint8Array(await (got as { value: Response }).value.arrayBuffer()), pattern(9));
    });

    const refused: [string, Fault, Record<string, string>, string][] = [
      ["a file of another size than listed", { total: 4999 }, {}, "backup_changed"],
      ["a recoded file", { headers: { "content-encoding": "gzip" } }, {}, "upstream_invalid"],
      ["a file without a length", { headers: { "content-length": null } }, {}, "upstream_invalid"],
      [
        "a range nobody asked for",
        { status: 206, headers: { "content-range": "bytes 0-1/5000" } },
        {},
        "upstream_invalid",
      ],
      ["another range than asked", { shift: 3 }, { range: "bytes=0-99" }, "upstream_invalid"],
      ["a range of another file", { total: 6000 }, { range: "bytes=0-99" }, "backup_changed"],
      ["a redirect", { status: 307, headers: { location: "https://elsewhere.example/" } }, {}, "upstream_redirected"],
      [
        "a proxy's page",
        { status: 200, headers: { "content-type": "text/html", "content-length": "5" } },
        {},
        "upstream_invalid",
      ],
      ["a condition nobody made", { status: 304 }, {}, "upstream_invalid"],
    ];
    for (const [what, fault, headers, code] of refused) {
      it(`${healing}: refuses ${what} before the first byte`, async () => {
        const got = await run(healing, [fault], { headers }, small);
        expect(got.problem?.code).toBe(code);
        expect(got.ends).toEqual([]);
        expect(got.server.asked[0]!.signal.aborted || fault.status === 307).toBe(true);
      });
    }

    it(`${healing}: tells a vanished file, a dead server and a refused token apart`, async () => {
      const gone = { status: 404, json: { data: {}, message: "The requested resource wasn't found.", status: 404 } };
      const denied = {
        status: 403,
        json: { data: {}, message: "Insufficient permissions to access the resource.", status: 403 },
      };
      expect((await run(healing, [gone])).problem?.code).toBe("backup_not_found");
      expect((await run(healing, Array(9).fill({ throws: true }))).problem?.code).toBe("upstream_unreachable");
      const token = await run(healing, Array(9).fill(denied));
      expect(token.problem?.code).toBe("upstream_unauthorized");
      expect(token.opened).toEqual([false, true, true]);
    });

    it(`${healing}: a server that limits the rate, or took too long, is not asked again at once`, async () => {
      for (const [status, code] of [
        [429, "upstream_rate_limited"],
        [524, "upstream_timeout"],
      ] as const) {
        const got = await run(healing, Array(9).fill({ status }));
        expect(got.problem?.code).toBe(code);
        expect(got.server.asked.length).toBe(1);
      }
      expect((await run(healing, Array(9).fill({ status: 404 }))).problem?.code).toBe("upstream_not_found");
    });

    it(`${healing}: a refusal of the caller is the answer, and the server is not asked`, async () => {
      const got = await run(healing, [], { authorize: async () => fail(problem("scope_missing")) });
      expect(got.problem?.code).toBe("scope_missing");
      expect(got.server.asked).toEqual([]);
    });

    it(`${healing}: an empty file is an empty answer`, async () => {
      const { bytes, response } = await run(healing, [], {}, new Uint8Array(0));
      expect(response!.status).toBe(200);
      expect((bytes as Uint8Array).length).toBe(0);
    });
  }
});
