import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fixtureTime } from "../harness/backups-folder.ts";
import type { Outcome } from "../harness/clients.ts";
import { type Act, conformance, fourBackups, row, type Stages } from "../harness/conformance/rows.ts";
import { type Side, type Stage, versions, type Who } from "../harness/conformance/sides.ts";
import { admin, mintKey } from "../harness/relay-client.ts";
import { noDownload, noRoute, wentWrong } from "./answers.ts";

const date = fixtureTime.toUTCString();
const older = new Date(0).toUTCString();

/** Without an `Authorization` header. */
const get =
  (path: string | ((side: Side) => string), method = "GET"): Act =>
  (side) =>
    side.raw(method, `/api/backups/${typeof path === "string" ? path : path(side)}`);
const withToken =
  (who: Who, key = "test1.zip", headers: Record<string, string> = {}, method = "GET"): Act =>
  (side) =>
    side.raw(method, `/api/backups/${key}?token=${side.credential(who)}`, { headers });
const both =
  (who: Who, authorization: (side: Side) => string): Act =>
  (side, stage) =>
    withToken(who, "test1.zip", { authorization: authorization(side) })(side, stage);
const withHeader =
  (as: Who): Act =>
  (side) =>
    side.raw("GET", "/api/backups/test1.zip", { as });
const when = (headers: Record<string, string>) => withToken("F", "test1.zip", headers);
const range = (value: string) => when({ range: value });
/** As the SDK makes the address, fetched as an app does. */
const bySdk =
  (key: string): Act =>
  async (side) => {
    const { pb } = side.superuser;
    const url = pb.backups.getDownloadURL(await pb.files.getToken(), key);
    return side.raw("GET", url.slice(side.url.length));
  };
/** With a file token that has run out. */
const tooLate: Act = async (side, stage) => {
  const { exp } = JSON.parse(atob(side.credential("Fx").split(".")[1]!));
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, (exp + 1) * 1000 - Date.now())));
  return withToken("Fx")(side, stage);
};
/** What lies between the parts is random. */
const parts: Act = async (side, stage) => {
  const seen = await range("bytes=0-3,10-13")(side, stage);
  const boundary = /boundary="?([^"]+)/.exec(seen.headers.get("content-type") ?? "")![1]!;
  return { ...seen, body: seen.bytes.toString("latin1").replaceAll(boundary, "B") };
};
/** A file the server did not put there itself. */
const byHand: Act = async (side, stage) => {
  const path = join(stage.store.folder, "by-hand.zip");
  await writeFile(path, "PK by hand");
  await utimes(path, fixtureTime, fixtureTime);
  return withToken("F", "by-hand.zip")(side, stage);
};

const archive = (seen: Outcome) => {
  for (const entry of ["data.db", "auxiliary.db"]) expect(seen.bytes.includes(entry), entry).toBe(true);
};
const bytes = (count: number) => (seen: Outcome) => expect(seen.bytes.length).toBe(count);
const headers = {
  headers: ["content-length", "content-range", "accept-ranges", "last-modified", "content-type"],
};
const length = { headers: ["content-length", "last-modified", "accept-ranges"] };
const named = (name: string) => ({ ...headers, given: [name] });
const odd = "é 日本 a#b?c%;&+|'.zip";
const plain = "a+b;c&d:e'f[g]=~*.zip";
/** Names that reach no backup: never a redirect, never another endpoint. */
const refused = { relay: { differs: "dot-names", status: 400, body: wentWrong } };

conformance(
  { call: "download", missingScope: "backups:download", given: fourBackups },
  [
    row("17 without anything", get("test1.zip"), 403, noDownload),
    row("18 with U in the header", withHeader("U"), 403, noDownload),
    row("19 with S in the header", withHeader("S"), 403, noDownload, {
      relay: { differs: "authorization-opens", status: 200, body: archive },
    }),
    row("20 with an empty token", get("test1.zip?token="), 403, noDownload),
    row("21 with the auth token of U", withToken("U"), 403, noDownload),
    row("22 with the file token of U", withToken("Fu"), 403, noDownload),
    row("23 with the auth token of S", withToken("S"), 403, noDownload),
    row("25 of a missing key", withToken("F", "missing"), 404, noRoute),
    row("26", withToken("F"), 200, archive, headers),
    row("27 of an encoded @", withToken("F", "%40test4.zip"), 200, archive, headers),
    row("of a raw @", withToken("F", "@test4.zip"), 200, archive, headers),
    row("of a missing key without a token", get("missing"), 403, noDownload),
    row("of the key upload", get("upload"), 403, noDownload),
    row("by the address the SDK makes", bySdk("@test4.zip"), 200, archive, headers),
    row("of a name with every awkward character", bySdk(odd), 200, archive, named(odd)),
    row("of raw characters that need no encoding", withToken("F", plain), 200, archive, named(plain)),
    row("of an encoded percent sign, decoded once", withToken("F", "a%252eb.zip"), 200, archive, named("a%2eb.zip")),
    row(
      "with a good token first",
      get((side) => `test1.zip?token=${side.credential("F")}&token=x`),
      200,
      archive,
    ),
    row(
      "with a bad token first",
      get((side) => `test1.zip?token=x&token=${side.credential("F")}`),
      403,
      noDownload,
    ),
    row(
      "with a good token and a dead header",
      both("F", () => "dead"),
      200,
      archive,
    ),
    row(
      "with a bad token and S in the header",
      both("S", (side) => side.credential("S")),
      403,
      noDownload,
    ),
    row(
      "with ?download",
      get((side) => `test1.zip?download=1&token=${side.credential("F")}`),
      200,
      archive,
      headers,
    ),
    row("of a file that was copied in by hand", byHand, 200, bytes(10), {
      ...headers,
      after: [...fourBackups, "by-hand.zip"],
    }),
    row("HEAD", withToken("F", "test1.zip", {}, "HEAD"), 200, bytes(0), headers),
    row("HEAD without a token", get("test1.zip", "HEAD"), 403, bytes(0)),
    row("HEAD of a missing key", withToken("F", "missing", {}, "HEAD"), 404, bytes(0)),
    row("HEAD of a range", withToken("F", "test1.zip", { range: "bytes=0-9" }, "HEAD"), 206, bytes(0), headers),
    row("of the first ten bytes", range("bytes=0-9"), 206, bytes(10), headers),
    row("of the last 22 bytes", range("bytes=-22"), 206, bytes(22), headers),
    row("from byte 1000 on", range("bytes=1000-"), 206, undefined, headers),
    row("of a range beyond the end", range("bytes=0-99999999"), 206, archive, headers),
    row("of a suffix longer than the file", range("bytes=-99999999"), 206, archive, headers),
    row("of the last no bytes", range("bytes=-0"), 206, bytes(0), headers),
    row("of an empty range", range("bytes="), 200, archive, headers),
    row("of two ranges", parts, 206, undefined, length),
    row("of ranges that hold more than the file", range("bytes=0-,0-"), 200, archive, headers),
    row("of a range that ends before it begins", range("bytes=5-2"), 416, undefined, headers),
    row("of a range after the end", range("bytes=99999999-"), 416, undefined, headers),
    row("of a range that is none", range("bytes=abc"), 416, undefined, headers),
    row("of another unit", range("items=0-1"), 416, undefined, headers),
    row("If-Range with the date", when({ range: "bytes=0-9", "if-range": date }), 206, bytes(10), headers),
    row("If-Range with another date", when({ range: "bytes=0-9", "if-range": older }), 200, archive, headers),
    row("If-Range with a tag", when({ range: "bytes=0-9", "if-range": '"x"' }), 200, archive, headers),
    row("If-Modified-Since with the date", when({ "if-modified-since": date }), 304, undefined, headers),
    row("If-Modified-Since with an older date", when({ "if-modified-since": older }), 200, archive, headers),
    row("If-None-Match with anything", when({ "if-none-match": "*" }), 304, undefined, headers),
    row("If-None-Match with a tag", when({ "if-none-match": '"x"' }), 200, archive, headers),
    row("If-Unmodified-Since with an older date", when({ "if-unmodified-since": older }), 412, undefined, length),
    row("If-Match with a tag", when({ "if-match": '"x"' }), 412, undefined, length),
    row("with Accept-Encoding", when({ "accept-encoding": "gzip, br" }), 200, archive, headers),
    row("of two dots", withToken("F", ".."), 307, undefined, refused),
    row("of one dot", withToken("F", "."), 307, undefined, refused),
    row("of two encoded dots", withToken("F", "%2e%2e"), 400, wentWrong, {
      ...refused,
      versions: { "0.39.11": { status: 404, body: noRoute } },
    }),
    row("of one encoded dot", withToken("F", "%2e"), 400, wentWrong, {
      ...refused,
      versions: { "0.39.11": { status: 404, body: noRoute } },
    }),
    row("of an encoded slash", withToken("F", "a%2Fb.zip"), 404, noRoute),
    row("of an encoded way out", withToken("F", "..%2Fdata.db"), 404, noRoute),
    row("of an encoded backslash", withToken("F", "a%5Cb.zip"), 404, noRoute),
    row("of the server's own side file", withToken("F", "test1.zip.attrs"), 400, wentWrong),
    row("of a key that is too long", withToken("F", `${"a".repeat(1100)}.zip`), 400, wentWrong),
    row("of a key that is no UTF-8", withToken("F", "a%ffb.zip"), 400, wentWrong),
    row("of a key with a null byte", withToken("F", "a%00b.zip"), 404, noRoute),
    row("24 with an expired file token", tooLate, 403, noDownload),
  ],
  (stageOf) => {
    for (const version of versions) describe(`PocketBase ${version} and addresses`, () => addresses(version, stageOf));
  },
);

/** Lets superusers in from these addresses alone; asked from one that stays on the list. */
async function admitOnly(stage: Stage, superuserIPs: string[]): Promise<void> {
  const changed = await stage.direct.raw("PATCH", "/api/settings", {
    as: "S",
    from: "127.0.0.2",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ superuserIPs }),
  });
  expect(changed.status).toBe(200);
}

/** A ticket of a key that is then tied to these networks. */
async function tiedTicket(stage: Stage, networks: string[]): Promise<string> {
  const { key, id } = await mintKey(stage.relay, {}, stage.instance);
  const { token } = (await (
    await fetch(`${stage.relay.url}/api/files/token`, { method: "POST", headers: { authorization: key } })
  ).json()) as { token: string };
  await admin(stage.relay, `/v1/keys/${id}`, { method: "PATCH", body: { networks }, instance: stage.instance });
  return token;
}

function addresses(version: string, stageOf: Stages): void {
  const download = (side: Side, token: string) => side.raw("GET", `/api/backups/test1.zip?token=${token}`);

  it("28 from an address on the list", async () => {
    const stage = stageOf(version);
    await stage.store.reset(fourBackups);
    await admitOnly(stage, ["127.0.0.1", "127.0.0.2"]);
    expect((await download(stage.direct, stage.direct.credential("F"))).status).toBe(200);
    await admitOnly(stage, []);
    expect((await download(stage.behind, await tiedTicket(stage, ["127.0.0.0/8"]))).status).toBe(200);
  });

  it("29 from an address that is not on the list", async () => {
    const stage = stageOf(version);
    await stage.store.reset(fourBackups);
    await admitOnly(stage, ["127.0.0.2"]);
    const direct = await download(stage.direct, stage.direct.credential("F"));
    // The relay itself is not on the server's list: that is no fault of its caller.
    const behind = await download(stage.behind, stage.behind.credential("F"));
    await admitOnly(stage, []);
    expect([direct.status, direct.body]).toEqual([403, noDownload]);
    expect([behind.status, behind.body]).toMatchObject([502, { code: "upstream_address_refused" }]);
    const tied = await download(stage.behind, await tiedTicket(stage, ["203.0.113.0/24"]));
    expect([tied.status, tied.body]).toMatchObject([403, { ...noDownload, code: "network_refused" }]);
    expect((await download(stage.behind, stage.behind.credential("F"))).status).toBe(200);
  });
}
