import { Buffer } from "node:buffer";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { fromBase64url, fromUtf8, utf8 } from "../../src/base/encoding.ts";
import { checkOf } from "../../src/upstream/check.ts";
import type { Fetch } from "../../src/upstream/exchange.ts";
import { inspect } from "../../src/upstream/inspect.ts";
import { type UpstreamSession, upstreamSession } from "../../src/upstream/session.ts";
import { database } from "../harness/archive/database.ts";
import { zip } from "../harness/archive/zip.ts";
import { SOON } from "../harness/waiting.ts";

/** A server the contract holds for: a real PocketBase, or the fake that must not drift from it. */
export type ContractServer = {
  url: string;
  /** Which of the two recorded lines of PocketBase it is. */
  line: "0.40" | "0.39";
  email: string;
  password: string;
  fetch: Fetch;
  /** An auth token, and a file token, of a regular user. */
  userTokens(): Promise<{ auth: string; file: string }>;
  /** How long after an accepted restore its end is certain, in ms: a real server sleeps a second first. */
  patience: number;
  stop(): Promise<void>;
};

const E401 = "The request requires valid record authorization token.";
const E403 = "The authorized record is not allowed to perform this action.";
const E403DL = "Insufficient permissions to access the resource.";
const E404 = "The requested resource wasn't found.";
const E404F = "File not found.";
const EVAL = "An error occurred while validating the submitted data.";
const ELOAD = "An error occurred while loading the submitted data.";
const NFMT = { name: { code: "validation_match_invalid", message: "Must be in a valid format." } };
const NLEN = {
  name: {
    code: "validation_length_out_of_range",
    message: "The length must be between 1 and 150.",
    params: { max: 150, min: 1 },
  },
};
const NEXISTS = {
  name: {
    code: "validation_backup_name_exists",
    message: "The backup file name is invalid or already exists.",
  },
};
const FREQ = { file: { code: "validation_required", message: "Cannot be blank." } };
const FEXISTS = {
  file: { code: "validation_backup_name_exists", message: "Backup file with the specified name already exists." },
};

type Ask = { token?: string; body?: BodyInit; headers?: Record<string, string> };

const BOUNDARY = "relay7MA4YWxkTrZu0gW";

/** A multipart body of parts given as [content-disposition parameters, bytes]; without its end where `torn`. */
function form(parts: [disposition: string, bytes: Uint8Array][], torn = false): Uint8Array<ArrayBuffer> {
  const pieces = parts.flatMap(([disposition, bytes]) => [
    utf8(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: text/plain\r\n\r\n`),
    bytes,
    utf8("\r\n"),
  ]);
  return new Uint8Array(Buffer.concat(torn ? pieces : [...pieces, utf8(`--${BOUNDARY}--\r\n`)]));
}

const EMPTY_ZIP = new Uint8Array(22);
EMPTY_ZIP.set([0x50, 0x4b, 5, 6]);

/** What the relay builds on, checked on the wire and through its own view of a server. */
export function contract(name: string, start: () => Promise<ContractServer>): void {
  describe(name, () => {
    let server: ContractServer;
    let session: UpstreamSession;
    let token: string;
    let file: string;

    const newSession = (mark?: string) =>
      upstreamSession({
        mark,
        baseUrl: server.url,
        headers: {},
        fetch: (url, init) => server.fetch(url, init),
        clock: Date.now,
        credential: { kind: "password", email: server.email, password: server.password },
      });

    async function ask(method: string, path: string, { token: sent, body, headers }: Ask = {}) {
      const given: Record<string, string> = { ...headers };
      if (sent !== undefined) given.Authorization = sent;
      const response = await server.fetch(server.url + path, {
        method,
        headers: given,
        body: body ?? null,
        redirect: "manual",
      });
      const text = new TextDecoder("latin1").decode(await response.arrayBuffer());
      return { status: response.status, headers: response.headers, text };
    }
    /** The status and exact bytes of an error. */
    const failed = (status: number, message: string, data: unknown = {}) => ({
      status,
      text: JSON.stringify({ data, message, status }) + (server.line === "0.40" ? "" : "\n"),
    });
    const seen = async (answer: ReturnType<typeof ask>) => {
      const { status, text } = await answer;
      return { status, text };
    };
    const create = (body: BodyInit | undefined, type = "application/json") =>
      seen(ask("POST", "/api/backups", { token, body, headers: body === undefined ? {} : { "Content-Type": type } }));
    const upload = (body: BodyInit, type = `multipart/form-data; boundary=${BOUNDARY}`) =>
      seen(ask("POST", "/api/backups/upload", { token, body, headers: { "Content-Type": type } }));
    const download = (key: string, headers: Record<string, string> = {}, method = "GET") =>
      ask(method, `/api/backups/${encodeURIComponent(key)}?token=${file}`, { headers });
    const keys = async () => {
      const listing = await session.list();
      return listing.ok ? listing.value.items.map(({ key }) => key) : listing.error;
    };

    beforeAll(async () => {
      server = await start();
      session = newSession();
      const access = await session.access("upload");
      if (!access.ok) throw new Error(access.error.problem.code);
      token = access.value.token;
      const minted = await session.fileToken();
      if (!minted.ok) throw new Error(minted.error.problem.code);
      file = minted.value.token;
    });
    afterAll(() => server.stop());

    it("tells guests, users and superusers apart on every superuser call", async () => {
      const user = await server.userTokens();
      const calls = [
        ["GET", "/api/backups"],
        ["POST", "/api/backups"],
        ["POST", "/api/backups/upload"],
        ["DELETE", "/api/backups/x.zip"],
        ["POST", "/api/backups/x.zip/restore"],
      ] as const;
      for (const [method, path] of calls) {
        expect(await seen(ask(method, path))).toEqual(failed(401, E401));
        expect(await seen(ask(method, path, { token: "Basic eDp5" }))).toEqual(failed(401, E401));
        expect(await seen(ask(method, path, { token: file }))).toEqual(failed(401, E401));
        expect(await seen(ask(method, `${path}?token=${token}`))).toEqual(failed(401, E401));
        expect(await seen(ask(method, path, { token: user.auth }))).toEqual(failed(403, E403));
      }
      expect((await ask("GET", "/api/backups", { token: `bEaReR ${token}` })).status).toBe(200);
    });

    it("answers wrong paths and methods as PocketBase does", async () => {
      for (const [method, path] of [
        ["PUT", "/api/backups"],
        ["PATCH", "/api/backups/x.zip"],
        ["POST", "/api/backups/x.zip"],
      ] as const)
        expect(await seen(ask(method, path, { token }))).toEqual(failed(404, E404));
      for (const path of ["/api/backups/", "/api/backups/x.zip/restore", "/api/nope"])
        expect(await seen(ask("GET", path, { token }))).toEqual(failed(404, E404F));
      expect(await seen(ask("GET", "/api/backups/upload", { token }))).toEqual(failed(403, E403DL));
    });

    it("carries PocketBase's headers, by which its line is told", async () => {
      const { headers, text } = await ask("GET", "/api/backups", { token });
      expect(headers.get("Content-Type")).toBe("application/json");
      expect(headers.get("Cross-Origin-Opener-Policy")).toBe(server.line === "0.40" ? "same-origin" : null);
      expect(text.endsWith("\n")).toBe(server.line !== "0.40");
      expect(headers.get("Vary")).toBe("Origin");
      expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
      expect(Date.parse(headers.get("Date")!)).not.toBeNaN();
      const health = await session.health();
      expect(health).toMatchObject({ ok: true, value: { age: server.line === "0.40" ? ">=0.40" : "0.23-0.39" } });
      expect(health).toMatchObject({ value: { superuser: true, idle: true, flavour: "pocketbase", proxy: null } });
    });

    it("shows the lock to superusers only", async () => {
      const guest = { message: "API is healthy.", code: 200, data: {} };
      expect(JSON.parse((await ask("GET", "/api/health")).text)).toEqual(guest);
      expect(JSON.parse((await ask("GET", "/api/health", { token: `${token}x` })).text)).toEqual(guest);
      const { data } = JSON.parse((await ask("GET", "/api/health", { token })).text);
      expect(data).toEqual({ canBackup: true, realIP: "127.0.0.1", possibleProxyHeader: "" });
    });

    it("logs in, refreshes and mints file tokens that say when they end", async () => {
      const login = (identity: string, password: string) =>
        seen(
          ask("POST", "/api/collections/_superusers/auth-with-password", {
            body: JSON.stringify({ identity, password }),
            headers: { "Content-Type": "application/json" },
          }),
        );
      expect(await login(server.email, "not-the-password")).toEqual(failed(400, "Failed to authenticate."));
      const blank = { code: "validation_required", message: "Cannot be blank." };
      expect(await login("", "")).toEqual(failed(400, EVAL, { identity: blank, password: blank }));
      const claims = (jwt: string) => JSON.parse(fromUtf8(fromBase64url(jwt.split(".")[1]!)!));
      expect(claims(token)).toMatchObject({ collectionId: "pbc_3142635823", type: "auth", refreshable: true });
      expect(Object.keys(claims(file)).sort()).toEqual(["collectionId", "exp", "id", "type"]);
      const life = claims(file).exp - Date.now() / 1000;
      expect(life > 150 && life < 190).toBe(true);
      const refreshed = await ask("POST", "/api/collections/_superusers/auth-refresh", { token });
      expect(refreshed.status).toBe(200);
      expect(Object.keys(JSON.parse(refreshed.text)).sort()).toEqual(["record", "token"]);
      expect(await seen(ask("POST", "/api/files/token"))).toEqual(failed(401, E401));
    });

    it("refuses names and bodies of a create in PocketBase's words", async () => {
      for (const bad of ["A.zip", "my-backup", ".zip", "a.b.zip", "@x.zip", "a/b.zip", "é.zip", " t.zip"])
        expect(await create(JSON.stringify({ name: bad }))).toEqual(failed(400, EVAL, NFMT));
      expect(await create(JSON.stringify({ name: `${"a".repeat(147)}.zip` }))).toEqual(failed(400, EVAL, NLEN));
      for (const body of ["{bad", "[]", '{"name":5}']) expect(await create(body)).toEqual(failed(400, ELOAD));
      expect(await create('{"name":"t.zip"}', "text/plain")).toEqual(failed(400, ELOAD));
    });

    it("creates a backup before it answers, lists it, and refuses the name again", async () => {
      expect(await create('{"name":"made.zip"}')).toEqual({ status: 204, text: "" });
      expect(await create('{"name":"made.zip"}')).toEqual(failed(400, EVAL, NEXISTS));
      const { text } = await ask("GET", "/api/backups", { token });
      expect(text).toMatch(
        /^\[\{"modified":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z","key":"made\.zip","size":\d+\}\]\n?$/,
      );
      expect(JSON.parse((await ask("GET", "/api/backups?fields=key", { token })).text)).toEqual([{ key: "made.zip" }]);
      expect(await seen(ask("HEAD", "/api/backups", { token }))).toEqual({ status: 200, text: "" });
      expect(await create("{}")).toEqual({ status: 204, text: "" });
      const listed = (await keys()) as string[];
      const generated = listed.find((key) => key !== "made.zip")!;
      expect(generated).toMatch(/^pb_backup_\w*_\d{14}\.zip$/);
      expect(await session.delete(generated)).toEqual({ ok: true, value: null });
    });

    it("stores an upload under the part's file name as Go reads it", async () => {
      for (const [disposition, key] of [
        ['name="file"; filename="dir/sub.zip"', "sub.zip"],
        ['name="file"; filename="../up.zip"', "up.zip"],
        ['name="file"; filename="dir\\sub.zip"', "dir\\sub.zip"],
        ['name="file"; filename="q\\"uote.zip"', 'q"uote.zip'],
        ['name="file"; filename="q%22b.zip"', "q%22b.zip"],
        ['name="file"; filename="plain.zip"; filename*=UTF-8\'\'star%20%C3%A9.zip', "star é.zip"],
        ['name="file"; filename="no-suffix"', "no-suffix"],
      ] as const) {
        expect([disposition, await upload(form([[disposition, EMPTY_ZIP]]))]).toEqual([
          disposition,
          { status: 204, text: "" },
        ]);
        expect(await keys()).toContain(key);
        expect(await session.delete(key)).toEqual({ ok: true, value: null });
      }
    });

    it("takes the first file part only, whatever else the form holds", async () => {
      const part = 'name="file"; filename="first.zip"';
      const other = 'name="file"; filename="second.zip"';
      expect(
        (
          await upload(
            form([
              ['name="@jsonPayload"', utf8("{bad")],
              [part, EMPTY_ZIP],
              [other, utf8("no")],
            ]),
          )
        ).status,
      ).toBe(204);
      expect(await keys()).toEqual(["first.zip", "made.zip"]);
      expect(await upload(form([[part, EMPTY_ZIP]]))).toEqual(failed(400, EVAL, FEXISTS));
      expect(await session.delete("first.zip")).toEqual({ ok: true, value: null });
    });

    it("calls every broken form blank", async () => {
      const part = 'name="file"; filename="x.zip"';
      const whole = form([[part, EMPTY_ZIP]]);
      for (const [why, body] of [
        ["no last boundary", form([[part, EMPTY_ZIP]], true)],
        ["cut in the content", whole.slice(0, whole.length - 60)],
        ["another field", form([['name="File"; filename="x.zip"', EMPTY_ZIP]])],
        ["empty file name", form([['name="file"; filename=""', EMPTY_ZIP]])],
        ["no file name", form([['name="file"', EMPTY_ZIP]])],
        ["two file names", form([['name="file"; filename="x.zip"; filename="y.zip"', EMPTY_ZIP]])],
      ] as const)
        expect([why, await upload(body)]).toEqual([why, failed(400, EVAL, FREQ)]);
      expect(await upload(EMPTY_ZIP, "application/zip")).toEqual(failed(400, EVAL, FREQ));
      expect(await upload(whole, "multipart/form-data")).toEqual(failed(400, EVAL, FREQ));
      expect(await keys()).toEqual(["made.zip"]);
    });

    it("sniffs the first bytes of an upload and no more", async () => {
      for (const head of ["PK\x03\x04", "PK\x07\x08data"]) {
        expect((await upload(form([['name="file"; filename="x.zip"', utf8(head)]]))).status).toBe(204);
        expect(await session.delete("x.zip")).toEqual({ ok: true, value: null });
      }
      for (const content of ["", "text", "\x1f\x8b\x08\x00", " PK\x03\x04"]) {
        const answer = await upload(
          form([['name="file"; filename="bad.zip"', new Uint8Array([...content].map((c) => c.charCodeAt(0)))]]),
        );
        expect(answer.status).toBe(400);
        const { data, message } = JSON.parse(answer.text);
        expect([content, message, data.file.code]).toEqual([content, EVAL, "validation_invalid_mime_type"]);
        expect(data.file.message).toMatch(/^"bad_\w{10}\.zip" mime type must be one of: application\/zip\.$/);
      }
      expect(await upload(form([[`name="file"; filename="${"n".repeat(296)}.zip"`, EMPTY_ZIP]]))).toEqual(
        failed(400, EVAL, FEXISTS),
      );
      expect(await upload(form([[`name="file"; filename="${"n".repeat(246)}.zip"`, EMPTY_ZIP]]))).toEqual(
        failed(400, "Failed to upload backup."),
      );
      expect(await upload(form([['name="file"; filename="x.attrs"', EMPTY_ZIP]]))).toEqual(failed(400, EVAL, FEXISTS));
    });

    it("opens a download with a superuser's file token only", async () => {
      const user = await server.userTokens();
      for (const query of [
        "",
        "?token=",
        `?token=${token}`,
        `?token=${user.file}`,
        `?token=${user.auth}`,
        "?token=a.b.c",
      ])
        for (const key of ["made.zip", "missing.zip"])
          expect(await seen(ask("GET", `/api/backups/${key}${query}`, { token }))).toEqual(failed(403, E403DL));
      expect(await seen(download("missing.zip"))).toEqual(failed(404, E404));
    });

    it("serves a backup with its length, time and type", async () => {
      const { status, headers, text } = await download("made.zip");
      expect(status).toBe(200);
      expect(text.startsWith("PK\x03\x04")).toBe(true);
      expect(
        Object.fromEntries(
          ["Accept-Ranges", "Content-Type", "Content-Length", "Cache-Control", "ETag"].map((n) => [n, headers.get(n)]),
        ),
      ).toEqual({
        "Accept-Ranges": "bytes",
        "Content-Type": "application/zip",
        "Content-Length": String(text.length),
        "Cache-Control": "max-age=2592000, stale-while-revalidate=86400",
        ETag: null,
      });
      expect(headers.get("Content-Disposition")).toBe(
        `attachment; filename=${server.line === "0.40" ? '"made.zip"' : "made.zip"}`,
      );
      const listing = await session.list();
      const modified = listing.ok ? Date.parse(listing.value.items[0]!.modified.replace(" ", "T")) : 0;
      expect(Date.parse(headers.get("Last-Modified")!)).toBe(Math.floor(modified / 1000) * 1000);
      const head = await download("made.zip", {}, "HEAD");
      expect([head.status, head.text, head.headers.get("Content-Length")]).toEqual([200, "", String(text.length)]);
    });

    it("answers ranges and conditions as Go's file server does", async () => {
      const whole = await download("made.zip");
      const size = whole.text.length;
      const date = whole.headers.get("Last-Modified")!;
      const old = "Mon, 01 Jan 2001 00:00:00 GMT";
      const part = (start: number, end: number) => [
        206,
        `bytes ${start}-${end}/${size}`,
        whole.text.slice(start, end + 1),
      ];
      const all = [200, null, whole.text];
      const table: [Record<string, string>, unknown[]][] = [
        [{ Range: "bytes=0-9" }, part(0, 9)],
        [{ Range: "bytes=-22" }, part(size - 22, size - 1)],
        [{ Range: `bytes=${size - 5}-` }, part(size - 5, size - 1)],
        [{ Range: `bytes=0-${size + 100}` }, part(0, size - 1)],
        [{ Range: `bytes=-${size + 100}` }, part(0, size - 1)],
        [{ Range: "bytes=-0" }, [206, `bytes ${size}-${size - 1}/${size}`, ""]],
        [{ Range: "bytes=" }, all],
        [{ Range: `bytes=0-${size - 1},0-${size - 1}` }, all],
        [{ Range: `bytes=${size}-` }, [416, `bytes */${size}`, "invalid range: failed to overlap\n"]],
        [{ Range: "bytes=abc" }, [416, null, "invalid range\n"]],
        [{ Range: "bytes=5-2" }, [416, null, "invalid range\n"]],
        [{ Range: "items=0-1" }, [416, null, "invalid range\n"]],
        [{ Range: "bytes=0-9", "If-Range": date }, part(0, 9)],
        [{ Range: "bytes=0-9", "If-Range": old }, all],
        [{ Range: "bytes=0-9", "If-Range": '"x"' }, all],
        [{ "If-Modified-Since": date }, [304, null, ""]],
        [{ "If-None-Match": "*" }, [304, null, ""]],
        [{ "If-Unmodified-Since": old }, [412, null, ""]],
        [{ "If-Match": '"x"' }, [412, null, ""]],
      ];
      for (const [headers, wanted] of table) {
        const { status, headers: got, text } = await download("made.zip", headers);
        expect([headers, status, got.get("Content-Range"), text]).toEqual([headers, ...wanted]);
        if (status === 304) expect(got.get("Last-Modified")).toBe(date);
        if (status === 416) expect([got.get("Last-Modified"), got.get("Cache-Control")]).toEqual([null, null]);
      }
      const headed = await download("made.zip", { Range: "bytes=0-9" }, "HEAD");
      expect([headed.status, headed.headers.get("Content-Length")]).toEqual([206, "10"]);
      const several = await download("made.zip", { Range: "bytes=0-3,10-13" });
      const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{60})$/.exec(
        several.headers.get("Content-Type")!,
      )![1];
      const piece = (start: number, end: number) =>
        `--${boundary}\r\nContent-Range: bytes ${start}-${end}/${size}\r\nContent-Type: application/zip\r\n\r\n${whole.text.slice(start, end + 1)}\r\n`;
      expect(several.text).toBe(`${piece(0, 3)}${piece(10, 13)}--${boundary}--\r\n`);
      expect(several.headers.get("Content-Length")).toBe(String(several.text.length));
    });

    it("deletes once, and says no more than the first sentence through the relay", async () => {
      await upload(form([['name="file"; filename="@auto x.zip"', EMPTY_ZIP]]));
      expect(await session.delete("@auto x.zip")).toEqual({ ok: true, value: null });
      const again = await ask("DELETE", `/api/backups/${encodeURIComponent("@auto x.zip")}`, { token });
      expect(again.status).toBe(400);
      expect(JSON.parse(again.text).message).toMatch(
        /^Invalid or already deleted backup file\. Raw error: \n\[key: @auto x\.zip\] remove \//,
      );
      expect(await session.delete("@auto x.zip")).toEqual({
        ok: false,
        error: { problem: { code: "backup_deleted" }, unclear: false, unauthorized: false },
      });
    });

    it("refuses to restore what is not there", async () => {
      expect(await seen(ask("POST", "/api/backups/missing.zip/restore", { token }))).toEqual(
        failed(400, "Missing or invalid backup file."),
      );
    });

    it("keeps canaries for superusers and hides them from guests", async () => {
      const planted = await session.plantCanary("contract");
      if (!planted.ok) throw new Error(planted.error.problem.code);
      const { id } = planted.value;
      expect(await session.canaryPresent(id)).toEqual({ ok: true, value: true });
      const path = `/api/collections/_authOrigins/records/${id}`;
      const search = `/api/collections/_authOrigins/records?filter=${encodeURIComponent('fingerprint="relay-contract"')}`;
      expect(JSON.parse((await ask("GET", search, { token })).text).items).toMatchObject([{ id }]);
      expect(JSON.parse((await ask("GET", search)).text).items).toEqual([]);
      expect(await seen(ask("GET", path))).toEqual(failed(404, E404));
      expect(await seen(ask("DELETE", path))).toEqual(failed(404, E404));
      expect(
        (
          await ask("POST", "/api/collections/_authOrigins/records", {
            body: "{}",
            headers: { "Content-Type": "application/json" },
          })
        ).text,
      ).toContain("Only superusers can perform this action.");
      expect(await session.removeCanary(id)).toEqual({ ok: true, value: null });
      expect(await session.removeCanary(id)).toEqual({ ok: true, value: null });
      expect(await session.canaryPresent(id)).toEqual({ ok: true, value: false });
    });

    it("tells where backups are kept", async () => {
      expect(await session.settings()).toEqual({ ok: true, value: { s3: false, superuserIps: 0, appName: "Acme" } });
    });

    it("shows a logged request by its query once its log is written, and no unknown row", async () => {
      await ask("GET", "/api/backups?relay=contract-row", { token });
      const filter = encodeURIComponent('data.url~"contract-row"');
      const { id } = await vi.waitUntil(async () => {
        const { text } = await ask("GET", `/api/logs?filter=${filter}`, { token });
        return (JSON.parse(text) as { items: { id: string }[] }).items[0];
      }, SOON);
      const row = await ask("GET", `/api/logs/${id}`, { token });
      expect(JSON.parse(row.text)).toMatchObject({ id, message: "GET /api/backups?relay=contract-row" });
      expect(await seen(ask("GET", "/api/logs/missing00000000", { token }))).toEqual(failed(404, E404));
      expect(await seen(ask("GET", "/api/logs"))).toEqual(failed(401, E401));
    });

    it("is found healthy by the check", async () => {
      const { email, password, fetch, url } = server;
      const wire = { baseUrl: url, headers: {}, fetch, clock: Date.now };
      const observed = await inspect({
        ...wire,
        credential: { kind: "password", email, password },
        edge: false,
        session,
      });
      const { check, refusal } = checkOf(observed);
      const version = server.line === "0.40" ? ">=0.40" : "0.38-0.39";
      expect(check).toMatchObject({ reachable: true, authorized: true, flavour: "pocketbase", version, idle: true });
      expect([check.storage, check.warnings, refusal]).toEqual(["local", [], null]);
    });

    /** Waits until the server answers a superuser and a restore's end is certain. */
    async function settled(): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, server.patience));
      await vi.waitUntil(async () => {
        const health = await session.health();
        return health.ok && health.value.idle;
      }, SOON);
    }

    it("restores: the canary planted after the backup is gone, tokens live on", async () => {
      const planted = await session.plantCanary("restored");
      if (!planted.ok) throw new Error(planted.error.problem.code);
      expect(await session.restore("made.zip")).toEqual({ ok: true, value: null });
      await settled();
      expect(await session.canaryPresent(planted.value.id)).toEqual({ ok: true, value: false });
      expect((await ask("GET", "/api/backups", { token })).status).toBe(200);
      expect(await keys()).toEqual(["made.zip"]);
    });

    it("accepts a restore that must fail; the canary stays and the log says why", async () => {
      const since = Date.now() - 1000;
      const cases = {
        "nodata.zip": [zip([{ name: "notes.txt", data: utf8("no database here") }]), "database_missing"],
        "torn.zip": [zip([{ name: "data.db", data: database({ pages: 4 }) }]).slice(0, 300), "not_an_archive"],
      } as const;
      for (const [key, [bytes]] of Object.entries(cases)) {
        expect((await upload(form([[`name="file"; filename="${key}"`, bytes]]))).status).toBe(204);
        const planted = await session.plantCanary(key);
        if (!planted.ok) throw new Error(planted.error.problem.code);
        expect(await session.restore(key)).toEqual({ ok: true, value: null });
        await settled();
        expect(await session.canaryPresent(planted.value.id)).toEqual({ ok: true, value: true });
        await session.removeCanary(planted.value.id);
        await session.delete(key);
      }
      const rows = await vi.waitUntil(async () => {
        const found = await session.restoreFailures(since);
        return found.ok && found.value.length >= 2 && found.value;
      }, SOON);
      const told = Object.fromEntries(rows.map(({ key, cause }) => [key, cause.code]));
      expect(told).toEqual(Object.fromEntries(Object.entries(cases).map(([key, [, reason]]) => [key, reason])));
    });

    it("shows other relays: their requests in the log, their canaries, and restores that took nothing away", async () => {
      const since = Date.now();
      const one = newSession("aaaaaaaa");
      const other = newSession("bbbbbbbb");
      const planted = await other.plantCanary("theirs");
      if (!planted.ok) throw new Error(planted.error.problem.code);
      const { id } = planted.value;
      expect(await one.canaries()).toEqual({ ok: true, value: [{ id, foreign: true }] });
      expect(await other.canaries()).toEqual({ ok: true, value: [{ id, foreign: false }] });
      expect(await one.findCanary("theirs")).toEqual({ ok: true, value: null });
      await other.removeCanary(id);
      expect(await one.canaries()).toEqual({ ok: true, value: [] });
      // Only the log is asked meanwhile: any other request would put its rows off.
      const told = await vi.waitUntil(async () => {
        const seen = await one.otherRelaySeen(since);
        return seen.ok && seen.value;
      }, SOON);
      expect(told).toBe(true);
      expect(await one.otherRelaySeen(Date.now() + 60_000)).toEqual({ ok: true, value: false });
      expect(await one.restoresAccepted(since)).toEqual({ ok: true, value: 0 });
      expect(await one.restoresAccepted(since - 600_000)).toEqual({ ok: true, value: 1 });
    });

    it("logs in anew when the superuser's token has died, and only then gives up", async () => {
      const health = await newSession().health();
      expect(health.ok).toBe(true);
      const sent: string[] = [];
      let died = false;
      const renewing = upstreamSession({
        baseUrl: server.url,
        headers: {},
        fetch: (url, init) => {
          const headers = new Headers(init.headers);
          // The first list is sent with a dead token.
          if (!died && url.endsWith("/api/backups")) {
            died = true;
            headers.set("authorization", `${token.slice(0, -4)}AAAA`);
          }
          sent.push(new URL(url).pathname);
          return server.fetch(url, { ...init, headers });
        },
        clock: Date.now,
        credential: { kind: "password", email: server.email, password: server.password },
      });
      expect((await renewing.list()).ok).toBe(true);
      const login = "/api/collections/_superusers/auth-with-password";
      expect(sent).toEqual([login, "/api/backups", login, "/api/backups"]);
      const dead = upstreamSession({
        baseUrl: server.url,
        headers: {},
        fetch: (url, init) => server.fetch(url, init),
        clock: Date.now,
        credential: { kind: "token", token: `${token.slice(0, -4)}AAAA` },
      });
      for (const answer of [
        await dead.list(),
        await dead.health(),
        await dead.create("never.zip"),
        await dead.fileToken(),
      ])
        expect(answer).toMatchObject({
          ok: false,
          error: { problem: { code: "upstream_unauthorized" }, unauthorized: true, unclear: false },
        });
      expect(await keys()).toEqual(["made.zip"]);
    });
  });
}
