import { readdirSync, readFileSync } from "node:fs";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { root } from "../../scripts/root.ts";
import { zip } from "../harness/archive/zip.ts";
import { fixtureTime } from "../harness/backups-folder.ts";
import { raw } from "../harness/clients.ts";
import { difference } from "../harness/conformance/rows.ts";
import { openStages, type Stage, versions } from "../harness/conformance/sides.ts";
import { everyBackupScope } from "../harness/key.ts";
import { multipart } from "../harness/multipart.ts";
import { mintKey, registerInstance } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";
import { missingBackup, noRoute } from "./answers.ts";

let opened: Awaited<ReturnType<typeof openStages>>;
let stage: Stage;
beforeAll(async () => {
  opened = await openStages("backups:list", versions.slice(0, 1));
  stage = opened.stages[0]!;
});
afterAll(() => opened?.close());

const emptyZip = Buffer.from(zip([]));

/** A call with a key of these rights. */
async function holder(rights: Record<string, unknown> = {}) {
  const { key } = await mintKey(stage.relay, rights, stage.instance);
  const ask = (method: string, path: string, body?: string | Buffer, type = "application/json") =>
    raw(stage.relay.url, method, path, {
      as: key,
      body,
      headers: body === undefined ? {} : { "content-type": type },
    });
  const upload = (filename: string, content: Buffer = emptyZip) => {
    const form = multipart([[{ name: "file", filename, type: "application/zip" }, content]]);
    return ask("POST", "/api/backups/upload", form.body, form.contentType);
  };
  return { ask, upload, create: (name: string) => ask("POST", "/api/backups", JSON.stringify({ name })) };
}

difference("extra-fields", "an error has a code, a hint and the request's id", async () => {
  const { body, headers } = await raw(stage.relay.url, "GET", "/api/backups");
  expect(body).toEqual({
    data: {},
    message: "The request requires valid record authorization token.",
    status: 401,
    code: "unauthenticated",
    hint: expect.stringMatching(/\w/),
    requestId: headers.get("x-request-id"),
  });
});

difference("download-headers", "nobody keeps or runs what was downloaded", async () => {
  await stage.store.reset(["é.zip"]);
  const { ask } = await holder();
  const { headers } = await ask("GET", "/api/backups/%C3%A9.zip");
  expect(Object.fromEntries(headers)).toMatchObject({
    "cache-control": "private, no-store",
    "content-disposition": `attachment; filename="_.zip"; filename*=UTF-8''%C3%A9.zip`,
    "content-security-policy": "default-src 'none'; sandbox",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    etag: expect.stringMatching(/^"%C3%A9\.zip:\d+:\d+"$/),
  });
  const path = `/api/backups/%C3%A9.zip?token=${stage.behind.credential("F")}`;
  const known = { "if-none-match": headers.get("etag")! };
  expect((await stage.behind.raw("GET", path, { headers: known })).status).toBe(304);
});

it("a part of the newest backup is only given of the one that the caller has", async () => {
  await stage.store.reset([]);
  await registerInstance(stage.relay, stage.server, { name: "moving", verify: false });
  const { key } = await mintKey(stage.relay, {}, "moving");
  const put = async (name: string, seconds: number) => {
    const date = new Date(fixtureTime.getTime() + seconds * 1000);
    await writeFile(join(stage.store.folder, name), Buffer.alloc(100_000, name));
    await utimes(join(stage.store.folder, name), date, date);
    await vi.waitUntil(async () => ((await ask("/v1/backups/latest")).body as { key: string }).key === name, SOON);
  };
  const ask = (path: string, headers: Record<string, string> = {}) =>
    raw(stage.relay.url, "GET", path, { as: key, headers });
  const content = async (headers: Record<string, string> = {}) => {
    const answer = await ask("/v1/backups/latest/content", headers);
    return [answer.status, answer.bytes.length, answer.bytes.subarray(0, 5).toString("latin1")];
  };
  await put("a.zip", 0);
  const range = "bytes=50000-";
  const tag = (await ask("/v1/backups/latest/content")).headers.get("etag")!;
  expect(tag).toBe((await ask("/api/backups/a.zip")).headers.get("etag"));
  expect(await content({ range, "if-range": tag })).toEqual([206, 50_000, "a.zip"]);
  expect(await content({ range })).toEqual([200, 100_000, "a.zip"]);
  await put("b.zip", 60);
  expect(await content({ range })).toEqual([200, 100_000, "b.zip"]);
  expect(await content({ range, "if-range": tag })).toEqual([200, 100_000, "b.zip"]);
  expect((await content({ range, "if-match": tag }))[0]).toBe(412);
  // wget joins what it has with the end of a whole answer.
  expect((await content({ range, "user-agent": "Wget/1.21.3" }))[0]).toBe(428);
  await stage.store.reset([]);
});

difference("cors-exposed", "a page may read what it needs of a download's headers", async () => {
  const { headers } = await raw(stage.relay.url, "GET", "/api/health", { headers: { origin: "https://app.example" } });
  const exposed = headers.get("access-control-expose-headers")!.split(",");
  expect(exposed).toEqual(expect.arrayContaining(["Content-Length", "Content-Range", "Content-Disposition"]));
});

difference("hidden", "what the patterns do not admit looks as if it were not there", async () => {
  await stage.store.reset(["mine-1.zip", "other.zip"]);
  const { ask, create, upload } = await holder({ patterns: ["mine-*"] });
  expect((await ask("GET", "/api/backups")).body).toMatchObject([{ key: "mine-1.zip" }]);
  for (const name of ["other.zip", "missing.zip"])
    for (const [method, path] of [
      ["GET", name],
      ["DELETE", name],
      ["POST", `${name}/restore`],
    ] as const) {
      const { status, body } = await ask(method, `/api/backups/${path}`);
      expect([method, path, status, body]).toMatchObject([method, path, 404, noRoute]);
    }
  for (const refused of [await create("other-2.zip"), await create(""), await upload("other-2.zip")])
    expect([refused.status, refused.body]).toMatchObject([403, { code: "pattern_refused" }]);
  expect((await upload("mine-2.zip")).status).toBe(204);
  expect(await stage.store.names()).toEqual(["mine-1.zip", "mine-2.zip", "other.zip"]);
});

difference("reserved-names", "an upload that would make the server prune needs the right to delete", async () => {
  await stage.store.reset([]);
  const lesser = await holder({ scopes: everyBackupScope.filter((scope) => scope !== "backups:delete") });
  for (const name of ["@auto_pb_backup_acme_20990101000000.zip", "@update_v9.zip", "pre_restore_x.zip"])
    expect([name, (await lesser.upload(name)).status]).toEqual([name, 403]);
  const { upload } = await holder();
  expect((await upload("@auto_pb_backup_acme_20990101000000.zip")).status).toBe(204);
});

difference("escaped-names", "a name that the server would list as another one is refused", async () => {
  await stage.store.reset(["prod_2.zip"]);
  const { ask, upload, create } = await holder();
  for (const name of ["__0x40__auto_pb_backup_zz0.zip", "pre__0x5f__restore_x.zip"])
    expect([name, (await create(name)).body]).toMatchObject([name, { status: 400, code: "backup_name_refused" }]);
  for (const name of ["__0x70__rod_2.zip", "__0X70__rod_2.zip", "a__0x41__.zip"])
    expect([name, (await upload(name)).body]).toMatchObject([name, { status: 400, code: "backup_name_refused" }]);
  expect(await stage.store.names()).toEqual(["prod_2.zip"]);

  // What somebody else put there in another's place is neither downloaded, deleted nor restored instead of it.
  const form = multipart([[{ name: "file", filename: "__0x70__rod_2.zip", type: "application/zip" }, emptyZip]]);
  const put = { as: "S", body: form.body, headers: { "content-type": form.contentType } } as const;
  expect((await stage.direct.raw("POST", "/api/backups/upload", put)).status).toBe(204);
  const listed = (await ask("GET", "/api/backups")).body as { key: string }[];
  expect(listed.map(({ key }) => key)).toEqual(["prod_2.zip", "prod_2.zip"]);
  for (const [method, path] of [
    ["GET", "/api/backups/prod_2.zip"],
    ["DELETE", "/api/backups/prod_2.zip"],
    ["POST", "/api/backups/prod_2.zip/restore"],
  ] as const)
    expect([method, (await ask(method, path)).body]).toMatchObject([method, { status: 409, code: "backup_ambiguous" }]);
  expect(await stage.store.names()).toHaveLength(2);
  await stage.store.reset([]);
});

difference("limits", "a rate and a quota of the key end in 429 with the time to wait", async () => {
  await stage.store.reset([]);
  const quick = await holder({ ratePerMinute: 2 });
  expect((await quick.ask("GET", "/api/backups")).headers.get("ratelimit")).toMatch(/^"\w+";r=1;t=\d+$/);
  await quick.ask("GET", "/api/backups");
  const limited = await quick.ask("GET", "/api/backups");
  expect(limited.body).toMatchObject({ status: 429, message: "Too Many Requests.", code: "rate_limited" });
  expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);

  const rare = await holder({ quotas: { "backups:create": 1 } });
  expect((await rare.create("once.zip")).status).toBe(204);
  expect((await rare.create("twice.zip")).body).toMatchObject({ status: 429, code: "quota_exhausted" });
  expect(await stage.store.names()).toEqual(["once.zip"]);
  const never = await holder({ quotas: { "backups:restore": 0 } });
  expect((await never.ask("POST", "/api/backups/once.zip/restore")).body).toMatchObject({ status: 429, data: {} });
});

difference("approval", "a restore that needs another's word is refused here", async () => {
  await stage.store.reset(["test1.zip"]);
  const { ask } = await holder({ approval: ["backups:restore"] });
  const { status, body } = await ask("POST", "/api/backups/test1.zip/restore");
  expect([status, body]).toMatchObject([403, { code: "approval_required" }]);
});

difference("restore-guarded", "an archive that would not restore is refused, where the server takes it", async () => {
  await stage.store.reset([]);
  const { ask, upload } = await holder();
  expect((await upload("empty.zip")).status).toBe(204);
  const refused = await ask("POST", "/api/backups/empty.zip/restore");
  expect(refused.body).toMatchObject({ ...missingBackup, code: "preflight_refused" });
  expect((await stage.direct.raw("POST", "/api/backups/empty.zip/restore", { as: "S" })).status).toBe(204);
  expect(await stage.store.names()).toEqual(["empty.zip"]);
});

difference("server-trouble", "a server that is down is told as such", async () => {
  const { ask } = await holder();
  await stage.server.kill();
  const { status, body, headers } = await ask("GET", "/api/backups");
  expect([status, body]).toMatchObject([503, { code: "upstream_unreachable", data: {} }]);
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
});

it("every difference has a row in docs/drop-in.md, and every row a test", () => {
  const doc = readFileSync(join(root, "docs", "drop-in.md"), "utf8");
  const named = [...doc.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, id]) => id!);
  const here = join(root, "test", "conformance");
  const sources = readdirSync(here, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|json)$/.test(name))
    .map((name) => readFileSync(join(here, name), "utf8"))
    .join("\n");
  const used = [...sources.matchAll(/(?:differs"?: "|difference\(\s*"|same\(")([a-z-]+)"/g)].map(([, id]) => id!);
  expect([...new Set(used)].sort()).toEqual([...named].sort());
});
