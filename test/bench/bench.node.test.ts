import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { load, requestText } from "../../bench/load.ts";
import { nginxConfig } from "../../bench/nginx.ts";
import { readOptions } from "../../bench/options.ts";
import { atLeast } from "../../bench/part.ts";
import { requestTable } from "../../bench/request-table.ts";
import { ResponseReader } from "../../bench/response-reader.ts";
import { send } from "../../bench/send.ts";
import { pairRatios, quantile, roundOrder, spread } from "../../bench/statistics.ts";
import { storedTransactions, transactionsBetween } from "../../bench/stored-transactions.ts";
import { figure, figures, table } from "../../bench/table.ts";
import { speedRatio, transferTable } from "../../bench/transfer-rounds.ts";

describe("statistics", () => {
  it("the median is the middle one, or the mean of the middle two, whatever the order", () => {
    expect(spread([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(spread([4, 1, 3, 2])).toEqual({ min: 1, median: 2.5, max: 4 });
    expect(spread([10, 9, 100])).toEqual({ min: 9, median: 10, max: 100 });
  });

  it("nothing measured is an error and no figure", () => {
    expect(() => spread([])).toThrow("nothing was measured");
    expect(() => quantile([], 0.5)).toThrow("nothing was measured");
    expect(() => pairRatios([1], [1, 2])).toThrow("one length");
  });

  it("a quantile is one of the values", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([0, 0.01, 0.5, 0.99, 1].map((share) => quantile(hundred, share))).toEqual([1, 1, 50, 99, 100]);
    expect(quantile([7], 0.99)).toBe(7);
  });

  it("what slows both of a pair falls out of their ratio", () => {
    expect(pairRatios([100, 10, 50], [200, 20, 100])).toEqual({ min: 0.5, median: 0.5, max: 0.5 });
    expect(pairRatios([1, 2, 3], [2, 2, 2]).median).toBe(1);
  });

  it("every other round runs backwards, and all take part in each", () => {
    expect([0, 1, 2].map((round) => roundOrder(["a", "b", "c"], round).join(""))).toEqual(["abc", "cba", "abc"]);
  });
});

describe("flags", () => {
  const known = ["head", "download"];

  it("everything is measured without any", () => {
    expect(readOptions([], known)).toEqual({ parts: [], rounds: 7, seconds: 1.5, bytes: 1024 ** 3, against: null });
  });

  it("parts by name, each once, in the order given", () => {
    expect(readOptions(["--part", "download", "--part", "head", "--part", "download"], known).parts).toEqual([
      "download",
      "head",
    ]);
  });

  it("quick is less of everything, and what is named wins over it", () => {
    expect(readOptions(["--quick"], known)).toMatchObject({ rounds: 3, seconds: 0.4, bytes: 256 * 1024 ** 2 });
    expect(readOptions(["--quick", "--rounds", "9", "--mebibytes", "1"], known)).toMatchObject({
      rounds: 9,
      bytes: 1024 ** 2,
    });
  });

  it.each([
    [["--part", "tail"], 'There is no part "tail": there are head, download.'],
    [["--rounds", "0"], "--rounds must be a whole number from 1 to 99"],
    [["--rounds", "1.5"], "--rounds must be a whole number"],
    [["--mebibytes", "many"], "--mebibytes must be a whole number"],
    [["--fast"], "--help lists the flags."],
  ])("%j is refused in words", (args, words) => {
    expect(() => readOptions(args, known)).toThrow(words);
  });
});

describe("tables", () => {
  it("figures have what can be trusted of them", () => {
    expect([0.1234, 1.005, 12.34, 123.4, 12_345.6, Number.NaN, Number.POSITIVE_INFINITY].map(figure)).toEqual([
      "0.12",
      "1.00",
      "12.3",
      "123",
      "12,346",
      "–",
      "–",
    ]);
    expect(figures({ min: 1, median: 2, max: 300 })).toBe("2.00 (1.00–300)");
  });

  it("columns line up", () => {
    expect(table(["", "s"], [["relay", "1.00"]])).toBe("|       |    s |\n| ----- | ---: |\n| relay | 1.00 |");
  });

  it("requests: ours first, theirs with our ratio to them", () => {
    const series = (name: string, perSecond: number[]) => ({
      name,
      perSecond,
      medianMs: [1, 1],
      p99Ms: [2, 2],
      cpuPerRequest: [300, 300],
      clientCpuPerRequest: [40, 40],
      bodyBytes: 0,
    });
    const rows = requestTable([series("relay", [50, 100]), series("bare", [100, 200])]).split("\n");
    expect(rows[2]).toMatch(/^\| relay .* 75\.0 \(50\.0–100\) .*\| +\|$/);
    expect(rows[3]).toMatch(/\| 0\.50 \(0\.50–0\.50\) \|$/);
  });

  it("transfers: how many times as fast as the peer", () => {
    const series = (name: string, seconds: number[]) => ({
      name,
      seconds,
      cpuPerGib: [1],
      clientCpuPerGib: [1],
      peakBytes: 50 * 1024 ** 2,
    });
    const [relay, nginx] = [series("relay", [1, 2]), series("nginx", [2, 4])];
    expect(speedRatio(relay, nginx).median).toBe(2);
    expect(transferTable([relay, nginx], nginx)).toContain("× nginx");
    expect(transferTable([relay, nginx], undefined).split("\n")[2]).toMatch(/\| +50\.0 \| +\|$/);
  });

  it("a target that could not be measured is not met", () => {
    expect(atLeast("x", 0.6, 0.6)).toEqual({ name: "x", wanted: "≥ 0.6×", reached: "0.60×", met: true });
    expect(atLeast("x", 0.6, 0.59).met).toBe(false);
    expect(atLeast("x", 0.6, Number.NaN)).toMatchObject({ reached: "not measured", met: false });
  });
});

describe("following an answer", () => {
  const chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nb;x=y\r\n, and again\r\n0\r\nT: x\r\n\r\n";
  const answers: [string, string, boolean, number, number][] = [
    ["a known length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", false, 200, 5],
    ["nothing", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, 0],
    ["the length of a HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 200, 0],
    ["no body by its status", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, 0],
    ["chunks with extension and trailer", chunked, false, 200, 16],
  ];

  it.each(answers)("%s, however the pieces are cut", (_name, text, bodiless, status, bytes) => {
    const whole = Buffer.from(text, "latin1");
    for (let cut = 0; cut <= whole.length; cut++) {
      const reader = new ResponseReader(bodiless);
      reader.feed(whole.subarray(0, cut));
      expect(reader.done).toBe(cut === whole.length);
      if (!reader.done) reader.feed(whole.subarray(cut));
      expect([reader.done, reader.status, reader.bodyBytes]).toEqual([true, status, bytes]);
    }
  });

  it("one that lasts until the connection closes", () => {
    const reader = new ResponseReader(false);
    reader.feed(Buffer.from("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"));
    expect([reader.done, reader.closes, reader.bodyBytes]).toEqual([false, true, 3]);
    expect(reader.closed()).toBe(true);
  });

  it("bytes that nobody asked for are an error", () => {
    const reader = new ResponseReader(false);
    expect(() => reader.feed(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc"))).toThrow("more than one");
  });
});

/** Answers every request, told by its blank line, with the same text. */
async function answering(text: string): Promise<{ port: number; seen: string[]; close(): Promise<void> }> {
  const seen: string[] = [];
  const sockets = new Set<import("node:net").Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (piece) => {
      seen.push(piece.toString("latin1"));
      if (/\r\n\r\n|END$/.test(piece.toString("latin1"))) socket.write(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });
  return { port: (server.address() as { port: number }).port, seen, close };
}

describe("the load generator", () => {
  it("asks as often as told on as many connections, and counts what came", async () => {
    const server = await answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    const request = requestText("GET", "/x?y=z", { Authorization: "key" });
    const loaded = await load({ port: server.port, request, expect: 200, concurrency: 3, seconds: 60, most: 20 });
    expect(loaded).toMatchObject({ requests: 20, bodyBytes: 40 });
    expect(loaded.milliseconds.length).toBe(20);
    expect(server.seen[0]).toBe("GET /x?y=z HTTP/1.1\r\nHost: bench.local\r\nAuthorization: key\r\n\r\n");
    await server.close();
  });

  it("another status than the expected one ends the run", async () => {
    const server = await answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    const request = requestText("HEAD", "/");
    const run = load({ port: server.port, request, expect: 200, concurrency: 1, seconds: 60 });
    await expect(run).rejects.toThrow("status 503 instead of 200");
    await server.close();
  });

  it("uploads exactly what the length says, a ZIP's beginning first", async () => {
    const server = await answering("HTTP/1.1 204 No Content\r\n\r\n");
    const head = requestText("PUT", "/up", {}).replace("\r\n\r\n", "\r\n");
    const sent = await send({ port: server.port, head: `${head}X: y\r\n`, after: "END", bytes: 100, expect: 204 });
    expect(sent.seconds).toBeGreaterThan(0);
    const all = server.seen.join("");
    const body = all.slice(all.indexOf("PK"));
    expect(body.length).toBe(103);
    expect(body.startsWith("PK\x03\x04")).toBe(true);
    await server.close();
  });
});

describe("the nginx it is measured against", () => {
  const plain = nginxConfig("/tmp/f", 1234, { upstream: "http://127.0.0.1:99", files: { "/api/a": "/srv/a" } });

  it("keeps its connections and everything it writes to itself", () => {
    expect(plain).toContain("listen 127.0.0.1:1234;");
    expect(plain).toContain("server 127.0.0.1:99; keepalive 64;");
    expect(plain).toContain("location = /api/a { alias /srv/a;");
    const written = [...plain.matchAll(/(?:_temp_path|pid) ([^;]+);/g)].map(([, path]) => path);
    expect(written.length).toBeGreaterThan(1);
    expect(written.filter((path) => !path!.startsWith("/tmp/f/"))).toEqual([]);
    expect(plain).not.toContain("proxy_buffers");
  });

  it("has large buffers when tuned", () => {
    expect(nginxConfig("/tmp/f", 1, { upstream: "http://127.0.0.1:99", tuned: true })).toContain(
      "proxy_buffers 16 64k;",
    );
  });
});

describe("counting writes", () => {
  it("sees every write transaction of a database in use, and no read", () => {
    const folder = mkdtempSync(join(tmpdir(), "relay-bench-test-"));
    const database = new DatabaseSync(join(folder, "a.sqlite"));
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    const before = storedTransactions(folder);
    for (let at = 0; at < 5; at++) database.exec(`INSERT INTO t VALUES (${at})`);
    const after = storedTransactions(folder);
    expect(database.prepare("SELECT count(*) AS n FROM t").get()).toEqual({ n: 5 });
    expect(transactionsBetween(before, after)).toBe(5);
    expect(transactionsBetween(after, storedTransactions(folder))).toBe(0);
    database.close();
    rmSync(folder, { recursive: true });
  });
});
