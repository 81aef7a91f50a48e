import { describe, expect, it } from "vitest";
import { within } from "../../src/base/sleep.ts";
import { CHUNK, chunksOf } from "../../src/http/chunks.ts";
import { discardBody } from "../../src/http/discard.ts";
import { type FormEvent, formParser } from "../../src/http/multipart.ts";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const never = (_ms: number, until?: AbortSignal) =>
  new Promise<void>((resolve) => until?.addEventListener("abort", () => resolve()));

/** A byte source of `pieces` bytes each; what it was asked for is counted. */
function source(pieces: number[]) {
  const state = { given: 0 };
  const queue = [...pieces];
  const body = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const next = queue.shift();
      if (next === undefined) {
        controller.close();
        controller.byobRequest?.respond(0);
        return;
      }
      state.given += next;
      controller.enqueue(new Uint8Array(next));
    },
  });
  return { body, state };
}

describe("a deadline", () => {
  it("gives the value, passes a rejection on, and misses", async () => {
    expect(await within(10, Promise.resolve(5), never)).toEqual({ met: true, value: 5 });
    await expect(within(10, Promise.reject(new Error("no")), never)).rejects.toThrow("no");
    expect(await within(10, new Promise(() => {}), async () => {})).toEqual({ met: false });
  });
});

describe("chunks", () => {
  it("ask for more while the source is quick, and for less when it is not", async () => {
    let now = 0;
    let pace = 0;
    const { body } = source(Array(400).fill(1000));
    const reader = chunksOf(body, () => (now += pace), never);
    const sizes: number[] = [];
    for (let n = 0; n < 8; n++) sizes.push(((await reader.next()) as Uint8Array).length);
    expect(sizes.at(-1)).toBeGreaterThan(sizes[0]!);
    pace = 2000;
    for (let n = 0; n < 8; n++) sizes.push(((await reader.next()) as Uint8Array).length);
    expect(sizes.at(-1)).toBeLessThanOrEqual(1000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(CHUNK);
  });

  it("in the one buffer wait for 512 KiB at the most: a quick source that becomes a slow one is no silent one", async () => {
    let now = 0;
    let asleep = 0;
    let given = 0;
    const body = new ReadableStream({
      type: "bytes",
      pull(controller) {
        given += 10_000;
        // 10 KB a second after 4 MB at once.
        if (given > 4_000_000) {
          now += 1000;
          asleep += 1000;
        }
        controller.enqueue(new Uint8Array(10_000));
      },
    });
    const reader = chunksOf(body, () => now, never);
    let longest = 0;
    while (given < 12_000_000) {
      asleep = 0;
      const chunk = (await reader.next()) as Uint8Array;
      expect(chunk.length).toBeLessThanOrEqual(CHUNK);
      longest = Math.max(longest, asleep);
    }
    expect(longest).toBeLessThan(60_000);
  });

  it("that are kept stay what they were while others are read", async () => {
    let n = 0;
    const body = new ReadableStream({
      type: "bytes",
      pull(controller) {
        if (++n <= 50) return controller.enqueue(new Uint8Array(10_000).fill(n));
        controller.close();
        controller.byobRequest?.respond(0);
      },
    });
    const reader = chunksOf(
      body,
      () => 0,
      never,
      () => CHUNK,
    );
    const kept: Uint8Array[] = [];
    for (let next = await reader.next(); typeof next !== "string"; next = await reader.next()) kept.push(next);
    const all = kept.flatMap((chunk) => [...chunk]);
    expect(all.length).toBe(500_000);
    expect(all.every((value, at) => value === Math.floor(at / 10_000) + 1)).toBe(true);
  });

  it("are no larger than there is room for, though never tiny", async () => {
    let most = CHUNK;
    const { body } = source(Array(800).fill(10_000));
    const reader = chunksOf(
      body,
      () => 0,
      never,
      () => most,
    );
    const largest = async (count: number) => {
      let size = 0;
      for (let n = 0; n < count; n++) size = Math.max(size, ((await reader.next()) as Uint8Array).length);
      return size;
    };
    expect(await largest(9)).toBeGreaterThan(CHUNK / 2);
    most = CHUNK / 4;
    expect(await largest(4)).toBeLessThanOrEqual(CHUNK / 4);
    most = 1;
    expect(await largest(4)).toBeLessThanOrEqual(64 * 1024);
  });

  it("discardBody reads a refused body to its end, but no more than 64 MiB and 5 s", async () => {
    const small = source(Array(10).fill(1000));
    await discardBody(small.body, () => 0, never);
    expect(small.state.given).toBe(10_000);
    const large = source(Array(200).fill(CHUNK));
    await discardBody(large.body, () => 0, never);
    expect(large.state.given).toBeLessThanOrEqual(66 * CHUNK);
    const slow = source(Array(200).fill(1000));
    let now = 0;
    await discardBody(slow.body, () => (now += 1000), never);
    expect(slow.state.given).toBeLessThanOrEqual(10_000);
    await discardBody(null, () => 0, never);
  });

  it("discardBody reads no further than it is told to, and waits for no silent sender", async () => {
    const large = source(Array(200).fill(1000));
    await discardBody(large.body, () => 0, never, 20_000);
    expect(large.state.given).toBeLessThan(200_000);
    const silent = new ReadableStream({ type: "bytes", pull: () => new Promise<void>(() => {}) });
    const over = discardBody(
      silent,
      () => 0,
      async () => {},
    );
    await expect(over).resolves.toBeUndefined();
  });
});

describe("the form parser", () => {
  const text =
    "--b\r\nA: 1\r\na: 2\r\nB:\t x y \r\n\r\none\r\n--b\r\n\r\n\r\n--bx\r\n--b-\r\n--b  \r\nC: 3\r\n\r\n\r\n--b--\r\nepilogue\r\n--b\r\n";

  function parsed(pieces: Uint8Array[]) {
    const parser = formParser("b");
    const parts: { headers: Record<string, string>; content: string; ended: boolean }[] = [];
    for (const piece of pieces) {
      const events: FormEvent[] | null = parser.push(piece);
      if (!events) return null;
      for (const event of events) {
        if (event.kind === "part")
          parts.push({ headers: Object.fromEntries(event.headers), content: "", ended: false });
        else if (event.kind === "content") parts.at(-1)!.content += new TextDecoder("latin1").decode(event.bytes);
        else parts.at(-1)!.ended = true;
      }
    }
    return { parts, complete: parser.complete };
  }

  it("finds the same parts however the body is cut in three", () => {
    const whole = bytes(text);
    const wanted = {
      complete: true,
      parts: [
        { headers: { a: "1", b: "x y" }, content: "one", ended: true },
        { headers: {}, content: "\r\n--bx\r\n--b-", ended: true },
        { headers: { c: "3" }, content: "", ended: true },
      ],
    };
    for (let one = 0; one <= whole.length; one++)
      for (let two = one; two <= whole.length; two++)
        expect(parsed([whole.subarray(0, one), whole.subarray(one, two), whole.subarray(two)])).toEqual(wanted);
  });

  it("is complete only after the last boundary", () => {
    const upTo = bytes(text).subarray(0, text.indexOf("--b--"));
    expect(parsed([upTo])!.complete).toBe(false);
    expect(parsed([upTo, bytes("--b-")])!.complete).toBe(false);
    expect(parsed([upTo, bytes("--b--")])!.complete).toBe(true);
  });

  it("takes what Go's reader takes", () => {
    const part = (headers: Record<string, string>, content: string) => ({ headers, content, ended: true });
    const taken: [string, ReturnType<typeof part>[]][] = [
      ["--b\nA: 1\n\none\r\n\n--b\n\ntwo\n--b--", [part({ a: "1" }, "one\r\n"), part({}, "two")]],
      ["--b \nA: 1\n\none\n--b--\n", [part({ a: "1" }, "one")]],
      ["--b\r\nA: 1\nB: 2\n\none\n--b\r\n--b--\r\n", [part({ a: "1", b: "2" }, "one\n--b")]],
      ["--b\r\nA: 1;\r\n\t x=2 \r\n  y\r\n\r\none\r\n--b-- \t", [part({ a: "1; x=2 y" }, "one")]],
      ["--b\r\nA : 1\r\nA:2\r\n\r\none\r\n--b--", [part({ "a ": "1", a: "2" }, "one")]],
      ["hello\n--bx\n--b\r\n\r\none\r\n--b--", [part({}, "one")]],
      ["--b\r\n\r\n--b\r\n\r\n--bx\r\n--b--", [part({}, ""), part({}, "--bx")]],
      ["--b--", []],
    ];
    for (const [body, parts] of taken) {
      const whole = bytes(body);
      for (let one = 0; one <= whole.length; one++)
        expect([body, parsed([whole.subarray(0, one), whole.subarray(one)])]).toEqual([
          body,
          { complete: true, parts },
        ]);
    }
  });

  it("gives up where Go's reader does", () => {
    for (const odd of [
      "--b\r\nno colon\r\n\r\n",
      "--b\r\n: x\r\n\r\n",
      "--b\r\n A: 1\r\n\r\n",
      "--b\r\nA: 1\r\n no colon: \x01\r\n\r\n",
      "--b\r\n\r\none\r\n--b\n\r\n",
      "--b\n\none\n--b\r\n\n",
      "--b\r\n\r\none\r\n--b x\r\n",
      "--b\r\n\r\none\r\n--b--x\r\n",
      `--b\r\n\r\none\r\n--b${" ".repeat(4100)}`,
      "x".repeat(4100),
    ])
      expect([odd, parsed([bytes(odd), bytes("\r\n--b--")])]).toEqual([odd, null]);
    expect(parsed([bytes(`--b\r\nA: ${"x".repeat(17_000)}`)])).toBe(null);
    expect(parsed([bytes("--b x\r\n--b--")])).toEqual({ parts: [], complete: true });
  });
});
