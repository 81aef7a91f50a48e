import { zip } from "../harness/archive/zip.ts";
import { type Act, conformance, row } from "../harness/conformance/rows.ts";
import type { Stage, Who } from "../harness/conformance/sides.ts";
import { multipart, type Part } from "../harness/multipart.ts";
import * as says from "./answers.ts";

/** What upstream's own tests upload: a ZIP that holds nothing. */
const emptyZip = Buffer.from(zip([]));
const hex = (text: string) => Buffer.from(text, "hex");

type Body = Buffer | string | undefined;
const send =
  (body: Body, type: string | null, as: Who | undefined = "S", chunked = false): Act =>
  (side) =>
    side.raw("POST", "/api/backups/upload", {
      as,
      headers: type === null ? {} : { "content-type": type },
      body,
      chunked,
    });
/** A form of these parts, as S. */
const form = (...parts: Part[]): Act => {
  const { body, contentType } = multipart(parts);
  return send(body, contentType);
};
const file = (filename: string, content: Buffer | string = emptyZip): Part => [
  { name: "file", filename, type: "application/zip" },
  content,
];
/** A `file` part with a `Content-Disposition` of its own. */
const disposed = (parameters: string): Part => [
  { name: "file", disposition: `form-data; name="file"${parameters}` },
  emptyZip,
];
const json = (content: string): Part => [{ name: "@jsonPayload" }, content];
const bySdk =
  (name: string, content: (stage: Stage) => Buffer = () => emptyZip): Act =>
  (side, stage) =>
    side.superuser.call((pb) => pb.backups.upload({ file: new File([new Uint8Array(content(stage))], name) }));
const formBySdk: Act = (side) => {
  const data = new FormData();
  data.append("file", new Blob([new Uint8Array(emptyZip)], { type: "application/zip" }), "test.zip");
  return side.superuser.call((pb) => pb.backups.upload(data));
};

const stored = (...after: string[]) => ({ after });
const one = form(file("test"));
const framed = multipart([file("test")]);
const encoded: Act = (side) =>
  side.raw("POST", "/api/backups/upload", {
    as: "S",
    headers: { "content-type": framed.contentType, "content-encoding": "gzip" },
    body: framed.body,
  });
/** The form of one file, its bytes changed, as S. */
const raw = (change: (form: string) => string): Act =>
  send(Buffer.from(change(framed.body.toString("latin1")), "latin1"), framed.contentType);
const unended = multipart([file("test")], { end: false });
const zeros = Buffer.alloc((32 << 20) + 100);
const names = ["My Backup (1).ZIP", "é 日本.zip", "a#b?c%.zip", "@x.zip", "a+b;c&d'e.zip", "q%22b.zip"];
const long = (length: number) => file(`${"a".repeat(length - 4)}.zip`);

conformance({ call: "upload", missingScope: "backups:upload" }, [
  row(
    "11 without a credential",
    (side) => side.guest.call((pb) => pb.backups.upload({ file: new File([emptyZip], "test") })),
    401,
    says.unauthorized,
  ),
  row("12 as U", send(framed.body, framed.contentType, "U"), 403, says.forbidden),
  row("13 of no file", form(), 400, says.fileBlank),
  row("14 of a key that exists", one, 400, says.fileExists, { given: ["test"] }),
  row("15 of a ZIP", bySdk("test"), 204, undefined, stored("test")),
  row("16 of more than 32 MiB that are no form", send(zeros, null), 400, says.fileBlank),
  row("as a form", one, 204, undefined, stored("test")),
  row("in chunks", send(framed.body, framed.contentType, "S", true), 204, undefined, {
    after: ["test"],
    relay: { differs: "upload-length", status: 411, body: { data: {} }, after: [] },
  }),
  row("by the SDK as FormData", formBySdk, 204, undefined, stored("test.zip")),
  row(
    "by the SDK of a name with spaces and quotes",
    bySdk('My "own" é.zip'),
    204,
    undefined,
    stored("My %22own%22 é.zip"),
  ),
  ...names.map((name) => row(`of the name ${name}`, form(file(name)), 204, undefined, stored(name))),
  row("of a name with a folder", form(file("dir/sub.zip")), 204, undefined, stored("sub.zip")),
  row("of a name that climbs", form(file("../up.zip")), 204, undefined, stored("up.zip")),
  row("of an escaped quote", form(file('q\\"uote.zip')), 204, undefined, stored('q"uote.zip')),
  row(
    "of filename* beside filename",
    form(disposed("; filename=\"plain.zip\"; filename*=UTF-8''star.zip")),
    204,
    undefined,
    stored("star.zip"),
  ),
  row(
    "of another type than a ZIP's",
    form([{ name: "file", filename: "t.zip", type: "text/plain" }, emptyZip]),
    204,
    undefined,
    stored("t.zip"),
  ),
  row(
    "with @jsonPayload first, as Dart and Elixir send it",
    form(json("{}"), file("t.zip")),
    204,
    undefined,
    stored("t.zip"),
  ),
  row("with a broken @jsonPayload first", form(json("{bad"), file("t.zip")), 204, undefined, stored("t.zip")),
  row("with @jsonPayload last", form(file("t.zip"), json("{}")), 204, undefined, stored("t.zip")),
  row("of a ZIP's first four bytes", form(file("t.zip", hex("504b0304"))), 204, undefined, stored("t.zip")),
  row("of a spanned ZIP's mark", form(file("t.zip", hex("504b0708504b0304"))), 204, undefined, stored("t.zip")),
  row(
    "of a real backup",
    bySdk("copy.zip", ({ store }) => store.sample),
    204,
    undefined,
    stored("copy.zip"),
  ),
  row(
    "of half a backup",
    bySdk("half.zip", ({ store }) => store.sample.subarray(0, 100_000)),
    204,
    undefined,
    stored("half.zip"),
  ),
  row("while the lock is held", one, 204, undefined, { lock: { name: "held.zip", by: "direct" }, ...stored("test") }),
  row("of the field File", form([{ name: "File", filename: "t.zip" }, emptyZip]), 400, says.fileBlank),
  row("of an empty filename", form(file("")), 400, says.fileBlank),
  row("of no filename", form([{ name: "file" }, emptyZip]), 400, says.fileBlank),
  row("of two filenames", form(disposed('; filename="a.zip"; filename="b.zip"')), 400, says.fileBlank),
  row(
    "of text, as SDK tests send it",
    (side) => side.superuser.call((pb) => pb.backups.upload({ file: "123" })),
    400,
    says.fileBlank,
  ),
  row("of a form that is cut", send(framed.body.subarray(0, -70), framed.contentType), 400, says.fileBlank),
  row("of a form without its last boundary", send(unended.body, unended.contentType), 400, says.fileBlank),
  row("of a form whose type names no boundary", send(framed.body, "multipart/form-data"), 400, says.fileBlank),
  row(
    "of a form whose type names another boundary",
    send(framed.body, "multipart/form-data; boundary=x"),
    400,
    says.fileBlank,
  ),
  row("of JSON", send("{}", "application/json"), 400, says.fileBlank),
  row("of a bare ZIP", send(emptyZip, "application/zip"), 400, says.fileBlank),
  row("of no body", send(undefined, null), 400, says.fileBlank),
  row("of text as a file", form(file("t.zip", "only text")), 400, says.fileNotZip),
  row("of nothing as a file", form(file("t.zip", "")), 400, says.fileNotZip),
  row("of a gzip", form(file("t.zip", hex("1f8b0800000000000003"))), 400, says.fileNotZip),
  row("of a ZIP after other bytes", form(file("t.zip", Buffer.concat([hex("00"), emptyZip]))), 400, says.fileNotZip),
  row("of two files, the first no ZIP", form(file("first.zip", "text"), file("second.zip")), 400, says.fileNotZip),
  row("of two files", form(file("first.zip"), file("second.zip")), 204, undefined, {
    after: ["first.zip"],
    relay: { differs: "one-file", status: 400, body: { data: {} }, after: [] },
  }),
  row("with a Content-Encoding", encoded, 204, undefined, {
    after: ["test"],
    relay: { differs: "upload-encoding", status: 415, body: { data: {} }, after: [] },
  }),
  row("of a name of 250 bytes", form(long(250)), 400, says.uploadFailed),
  row("of a name of 300 bytes", form(long(300)), 400, says.fileExists),
  row("of a name with a backslash", form(file("dir\\sub.zip")), 204, undefined, {
    after: ["dir\\sub.zip"],
    relay: { differs: "keys", status: 404, body: says.noRoute, after: [] },
  }),
  row(
    "of a part with long headers",
    raw((form) => form.replace("Content-Type: ", `X: ${"y".repeat(17_000)}\r\nA: `)),
    204,
    undefined,
    {
      after: ["test"],
      relay: { differs: "upload-forms", status: 400, body: says.fileBlank, after: [] },
    },
  ),
  row("of a full Windows path", form(file("C:\\x\\y.zip")), 204, undefined, {
    after: ["C:\\x\\y.zip"],
    relay: { differs: "windows-paths", after: ["y.zip"] },
  }),
  row(
    "of lines that end in LF",
    raw((form) => form.replaceAll("\r\n", "\n")),
    204,
    undefined,
    stored("test"),
  ),
  row(
    "of headers that end in LF",
    raw((form) => form.replace(/zip\r\n\r\n/, "zip\n\n")),
    204,
    undefined,
    stored("test"),
  ),
  row(
    "of a folded header",
    raw((form) => form.replace("; filename", ";\r\n\t filename")),
    204,
    undefined,
    stored("test"),
  ),
  row(
    "of a header with a space before its colon",
    raw((form) => form.replace("Content-Type:", "Content-Type :")),
    204,
    undefined,
    stored("test"),
  ),
  row(
    "of a form after some lines",
    raw((form) => `hello\n--x\n\n${form}`),
    204,
    undefined,
    stored("test"),
  ),
  row(
    "of a form with an empty part first",
    raw((form) => `${form.slice(0, form.indexOf("\r\n"))}\r\nA: 1\r\n\r\n${form}`),
    204,
    undefined,
    stored("test"),
  ),
  row(
    "of a last boundary without a line's end",
    raw((form) => form.trimEnd()),
    204,
    undefined,
    stored("test"),
  ),
  row(
    "of text after the last boundary",
    raw((form) => `${form}more\r\n`),
    204,
    undefined,
    stored("test"),
  ),
  row(
    "of lines that end in LF but the last",
    raw((form) => `${form.trimEnd().replaceAll("\r\n", "\n")}\r\n`),
    400,
    says.fileBlank,
  ),
  row(
    "of a last boundary without its dashes",
    raw((form) => form.replace(/--\r\n$/, "\r\n")),
    204,
    undefined,
    {
      after: ["test"],
      relay: { differs: "upload-forms", status: 400, body: says.fileBlank, after: [] },
    },
  ),
  row(
    "of junk behind the last boundary",
    raw((form) => `${form.trimEnd()}junk\r\n`),
    400,
    says.fileBlank,
  ),
  row(
    "of a first header line with a space before it",
    raw((form) => form.replace("Content-D", " Content-D")),
    400,
    says.fileBlank,
  ),
  row(
    "of a header without a colon",
    raw((form) => form.replace("Content-Type: ", "Content-Type ")),
    400,
    says.fileBlank,
  ),
  row(
    "of a header with a control character",
    raw((form) => form.replace("Content-Type: ", "X: \x01\r\nA: ")),
    400,
    says.fileBlank,
  ),
  row(
    "of a file in quoted-printable",
    raw((form) =>
      form
        .replace("Content-Type: ", "Content-Transfer-Encoding: quoted-printable\r\nA: ")
        .replace(emptyZip.toString("latin1"), `PK=05=06${"=00".repeat(18)}`),
    ),
    204,
    undefined,
    {
      after: ["test"],
      relay: { differs: "upload-encoding", status: 415, body: { data: {} }, after: [] },
    },
  ),
  row("of a side file's name", form(file("x.attrs")), 400, says.fileExists, {
    relay: { differs: "keys", body: says.wentWrong },
  }),
  row("of the name /", form(file("/")), 204, undefined, {
    after: ["__0x2f__"],
    relay: { differs: "keys", status: 404, body: says.noRoute, after: [] },
  }),
]);
