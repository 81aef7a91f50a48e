import { expect, it } from "vitest";
import { readBody, readPieces, readText } from "../../src/http/body.ts";

/** A body in pieces of these texts, which ends, breaks or stays open; `canceled` when its reader gave up. */
function body(pieces: string[], end: "ends" | "breaks" | "stays open" = "ends") {
  const state = { canceled: false };
  const left = pieces.map((piece) => new TextEncoder().encode(piece));
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = left.shift();
        if (piece) controller.enqueue(piece);
        else if (end === "ends") controller.close();
        else if (end === "breaks") controller.error(new Error("cut"));
        else return new Promise(() => undefined);
      },
      cancel() {
        state.canceled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, state };
}

it("reads a body as text up to the limit and not a byte more", async () => {
  expect(await readText(body(["ab", "cd"]).stream, 4)).toBe("abcd");
  const larger = body(["ab", "cde", "f"]);
  expect(await readText(larger.stream, 4)).toBeNull();
  expect(larger.state.canceled).toBe(true);
  expect(await readText(null, 4)).toBe("");
  expect(await readText(body(["a".repeat(3), "é"]).stream, 5)).toBe("aaaé");
});

it("reads a request body of the limit, none that is larger, and nothing of one that says it is", async () => {
  const request = (text: string) => new Request("https://relay.example/", { method: "POST", body: text });
  expect(await readBody(request("abcd"), 4)).toEqual(new TextEncoder().encode("abcd"));
  expect(await readBody(request("abcde"), 4)).toBeNull();
  expect(await readBody(new Request("https://relay.example/"), 4)).toEqual(new Uint8Array());
});

it("keeps what came before a signal aborts, and rejects when the body breaks", async () => {
  const taken: number[] = [];
  const until = new AbortController();
  const slow = body(["abc"], "stays open");
  const read = readPieces(
    slow.stream,
    9,
    (piece) => {
      taken.push(piece.byteLength);
      setTimeout(() => until.abort());
    },
    until.signal,
  );
  expect(await read).toBe(3);
  expect(slow.state.canceled).toBe(true);
  await expect(readPieces(body(["abc"], "breaks").stream, 9, (piece) => taken.push(piece.byteLength))).rejects.toThrow(
    "cut",
  );
  expect(taken).toEqual([3, 3]);
  const cut = body(["abc", "def"]);
  expect(await readPieces(cut.stream, 4, (piece) => taken.push(piece.byteLength))).toBe(4);
  expect([taken.slice(2), cut.state.canceled]).toEqual([[3, 1], true]);
});
