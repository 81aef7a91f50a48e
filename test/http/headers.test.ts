import { describe, expect, it } from "vitest";
import { attachment, formPart, parseMediaType } from "../../src/http/content-disposition.ts";
import { entityTag, judgeTags, tagsIn } from "../../src/http/entity-tag.ts";
import { conditions, fileHeaders, joinsRanges, lastModified } from "../../src/http/forward.ts";
import { contentLength, parseContentRange, requestedWindow } from "../../src/http/range.ts";

describe("ranges", () => {
  it("reads only a Content-Range that can be", () => {
    expect(parseContentRange("bytes 0-9/100")).toEqual({ start: 0, end: 9, total: 100 });
    for (const odd of [
      null,
      "",
      "bytes */100",
      "bytes 0-9/*",
      "bytes 9-0/100",
      "bytes 0-100/100",
      "items 0-9/100",
      "bytes 0-9/100, bytes 0-9/100",
      "bytes -1-9/100",
      "bytes 0-99999999999999999999/99999999999999999999",
    ])
      expect(parseContentRange(odd)).toBe(null);
  });

  it("knows the window a Range asks for, as Go's http.ServeContent gives it", () => {
    const window = (start: number, end: number) => ({ start, end, total: 100 });
    expect(requestedWindow("bytes=0-9", 100)).toEqual(window(0, 9));
    expect(requestedWindow("bytes=90-", 100)).toEqual(window(90, 99));
    expect(requestedWindow("bytes=0-500", 100)).toEqual(window(0, 99));
    expect(requestedWindow("bytes=-22", 100)).toEqual(window(78, 99));
    expect(requestedWindow("bytes=-500", 100)).toEqual(window(0, 99));
    for (const other of [
      "bytes=100-",
      "bytes=5-2",
      "bytes=-0",
      "bytes=",
      "bytes=-",
      "bytes=0-3,10-13",
      "items=0-1",
      "bytes=a-b",
    ])
      expect(requestedWindow(other, 100)).toBe("other");
    expect(requestedWindow("bytes=-5", 0)).toBe("other");
  });

  it("reads a Content-Length that is one number", () => {
    expect(contentLength(new Headers({ "content-length": "17" }))).toBe(17);
    for (const odd of ["", "-1", "1.5", "0x10", "1, 1", "99999999999999999999"])
      expect(contentLength(new Headers({ "content-length": odd }))).toBe(null);
    expect(contentLength(new Headers())).toBe(null);
  });
});

describe("what of a download passes (SECURITY 14)", () => {
  const sent = (own: Record<string, string>, moving = false) => {
    const passed = conditions(new Headers(own), moving).sent;
    return Object.fromEntries(Object.entries(passed).map(([name, value]) => [name.toLowerCase(), value]));
  };
  const dates = { "if-modified-since": "x", "if-unmodified-since": "x" };

  it("to the server: range and conditions with dates, nothing else", () => {
    const own = { range: "bytes=0-1", "if-range": "x", ...dates };
    const more = {
      authorization: "brk",
      cookie: "pb_auth=x",
      "x-forwarded-for": "1.1.1.1",
      te: "x",
      accept: "a",
      host: "h",
    };
    expect(sent({ ...own, ...more })).toEqual(own);
    expect(sent({ range: `bytes=${"0-1,".repeat(400)}5-6` })).toEqual({});
    expect(sent({ range: "bytes=0-1", "if-range": "x".repeat(2000) })).toEqual({});
  });

  it("tags stay with the relay, and a date beside them does not count", () => {
    const tagged = { range: "bytes=0-1", "if-range": '"r"', "if-match": '"m"', "if-none-match": '"n"', ...dates };
    expect(sent(tagged)).toEqual({ range: "bytes=0-1" });
    expect(conditions(new Headers(tagged), false).tags).toEqual({ match: '"m"', noneMatch: '"n"', range: '"r"' });
  });

  it("a range of an address that moves counts only with a tag", () => {
    const range = "bytes=5-";
    expect(sent({ range }, true)).toEqual({});
    for (const [name, unpinned] of [
      ["if-range", "x"],
      ["if-match", "*"],
      ["if-unmodified-since", "x"],
    ] as const)
      expect(sent({ range, [name]: unpinned }, true)).not.toHaveProperty("range");
    expect(sent({ range, "if-range": '"r"' }, true)).toEqual({ range });
    expect(sent({ range, "if-match": '"m"' }, true)).toEqual({ range });
    const wget = { range, "user-agent": "Wget/1.21.3" };
    expect(joinsRanges(new Headers(wget))).toBe(true);
    expect(joinsRanges(new Headers({ ...wget, "if-match": '"m"' }))).toBe(false);
    expect(joinsRanges(new Headers({ "user-agent": wget["user-agent"] }))).toBe(false);
    expect(joinsRanges(new Headers({ range }))).toBe(false);
  });

  it("to the caller: checked values under our own guard", () => {
    const server = new Headers({
      "content-type": "text/html",
      "content-range": "bytes 0-1/x",
      "last-modified": "yesterday",
      "accept-ranges": "bytes, evil",
      "content-disposition": "inline",
      "set-cookie": "a=b",
      etag: '"e"',
      location: "https://elsewhere.example/?token=t",
      "content-security-policy": "default-src *",
      "cache-control": "max-age=2592000",
    });
    expect(Object.fromEntries(new Headers(fileHeaders(server, "x.zip")))).toEqual({
      "content-type": "application/octet-stream",
      "content-disposition": 'attachment; filename="x.zip"',
      "content-security-policy": "default-src 'none'; sandbox",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "private, no-store",
    });
  });

  it("a boundary of several ranges only when it is one", () => {
    const typeFor = (type: string) => fileHeaders(new Headers({ "content-type": type }), "x")["Content-Type"];
    expect(typeFor("multipart/byteranges; boundary=abc123")).toBe('multipart/byteranges; boundary="abc123"');
    for (const odd of [
      'multipart/byteranges; boundary="a b"',
      "multipart/byteranges",
      "multipart/byteranges; boundary=a; x=y",
    ])
      expect(typeFor(odd)).toBe("application/octet-stream");
  });

  it("a date only when it is one", () => {
    expect(lastModified(new Headers({ "last-modified": "Mon, 23 Nov 2026 00:17:13 GMT" }))).not.toBe(null);
    expect(lastModified(new Headers({ "last-modified": "2026-11-23" }))).toBe(null);
  });
});

describe("entity tags", () => {
  const date = "Mon, 23 Nov 2026 00:17:13 GMT";
  const tag = entityTag("a.zip", 10, date)!;

  it("tell every version of every file apart", () => {
    expect(tag).toMatch(/^"[!#-~]+"$/);
    const others = [
      entityTag("b.zip", 10, date),
      entityTag("a.zip", 11, date),
      entityTag("a.zip", 10, "Mon, 23 Nov 2026 00:17:14 GMT"),
    ];
    expect(new Set([tag, ...others]).size).toBe(4);
    expect(entityTag('\ud800"é\r\n', 10, date)).toMatch(/^"[!#-~]+"$/);
    expect(entityTag("a.zip", 10, null)).toBe(null);
  });

  it("are read as Go reads a list of them", () => {
    expect(tagsIn(' "a",\tW/"b" , "c" d, "e"')).toEqual(['"a"', 'W/"b"', '"c"']);
    expect(tagsIn("*")).toEqual([]);
  });

  it("are judged in the order of RFC 9110", () => {
    const none = { match: null, noneMatch: null, range: null };
    const judged = (tags: Partial<typeof none | Record<string, string>>) => judgeTags({ ...none, ...tags }, tag);
    expect(judged({})).toBe("go_on");
    expect(judged({ match: "*" })).toBe("go_on");
    expect(judged({ match: `"x", ${tag}` })).toBe("go_on");
    expect(judged({ match: `W/${tag}` })).toBe("precondition_failed");
    expect(judged({ match: '"x"', noneMatch: tag })).toBe("precondition_failed");
    expect(judged({ noneMatch: `"x", W/${tag}` })).toBe("not_modified");
    expect(judged({ noneMatch: "*" })).toBe("not_modified");
    expect(judged({ noneMatch: '"x"', range: tag })).toBe("go_on");
    expect(judged({ range: '"x"' })).toBe("whole");
    expect(judgeTags({ ...none, match: "*" }, null)).toBe("go_on");
    expect(judgeTags({ ...none, range: tag }, null)).toBe("whole");
  });
});

describe("Content-Disposition", () => {
  it("tells any file name safely: ASCII in filename, the rest exact in filename*", () => {
    const told: [string, string][] = [
      ["pb_backup_acme_1.zip", 'filename="pb_backup_acme_1.zip"'],
      ["@auto_pb_backup_1.zip", 'filename="@auto_pb_backup_1.zip"'],
      ["My Backup (1).ZIP", 'filename="My Backup (1).ZIP"'],
      ["dir/sub.zip", 'filename="sub.zip"'],
      ['q"uote.zip', "filename=\"q_uote.zip\"; filename*=UTF-8''q%22uote.zip"],
      ["dir\\x.zip", "filename=\"dir_x.zip\"; filename*=UTF-8''dir%5Cx.zip"],
      ["50%25.zip", "filename=\"50_25.zip\"; filename*=UTF-8''50%2525.zip"],
      ["é 日.zip", "filename=\"_ _.zip\"; filename*=UTF-8''%C3%A9%20%E6%97%A5.zip"],
      ["a\r\nX: 1.zip", "filename=\"a__X: 1.zip\"; filename*=UTF-8''a%0D%0AX%3A%201.zip"],
      ["\ud800.zip", "filename=\"_.zip\"; filename*=UTF-8''%EF%BF%BD.zip"],
    ];
    for (const [name, wanted] of told) expect(attachment(name)).toBe(`attachment; ${wanted}`);
  });

  it("is read as Go's mime.ParseMediaType reads it", () => {
    const params = (text: string) => {
      const parsed = parseMediaType(text);
      return parsed && Object.fromEntries(parsed.params);
    };
    expect(params('form-data; a="x\\"y"; B=z')).toEqual({ a: 'x"y', b: "z" });
    expect(params("form-data")).toEqual({});
    expect(params("form-data;")).toEqual({});
    expect(params('form-data; a=""')).toEqual({ a: "" });
    expect(params('form-data; a="C:\\dev\\x"')).toEqual({ a: "C:\\dev\\x" });
    expect(params("form-data; f*0*=UTF-8''%41%42; f*1=c; f*2*=%44")).toEqual({ f: "ABcD" });
    expect(params("form-data; f*=UTF-8''it's")).toEqual({ f: "it's" });
    expect(params("form-data; f=p; f*=UTF-8''%zz")).toEqual({ f: "p" });
    expect(params("form-data; f*1=late")).toEqual({});
    for (const odd of [
      'form-data; a="open',
      "form-data; =x",
      "form-data; a",
      "form-data a=b; c",
      "form-data; a=1; a=2",
      "form-data; ;",
    ])
      expect([odd, parseMediaType(odd)]).toEqual([odd, null]);
  });

  it("takes time in proportion to its length, whatever it holds", () => {
    // In quadratic time one of these would take longer than a test may.
    const LONG = 262_144;
    const headers = [
      (text: string) => `form-data; name="file"; filename="${text}x"`,
      (text: string) => `form-data; name="file"; filename=${text}`,
      (text: string) => `form-data; ${text}`,
    ];
    for (const unit of ["/", '"', "\\", ";", "a*0=b;", " ", "%4", "'"])
      for (const header of headers) {
        const [few, many] = [4, LONG / unit.length].map((count) => formPart(header(unit.repeat(count))));
        expect([unit, many?.kind]).toEqual([unit, few?.kind]);
      }
    expect(formPart(`form-data; name="file"; filename="a/${"/".repeat(LONG)}"`)).toEqual({
      kind: "file",
      name: "file",
      filename: "a",
    });
  });
});
