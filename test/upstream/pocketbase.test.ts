import { describe, expect, it } from "vitest";
import { problems } from "../../src/base/problems.ts";
import type { BackupsApi, UpstreamResult } from "../../src/upstream/backups-api.ts";
import type { Fetch } from "../../src/upstream/exchange.ts";
import { login } from "../../src/upstream/login.ts";
import { type PocketBaseOptions, pocketBase } from "../../src/upstream/pocketbase.ts";
import { tokenClaims, tokenExpiry } from "../../src/upstream/token.ts";
import type { Fault } from "../harness/fake/faults.ts";
import { FakeUpstream } from "../harness/fake/upstream.ts";

const baseUrl = "https://pb.example.com";

function setUp(options: ConstructorParameters<typeof FakeUpstream>[0] = {}, more: Partial<PocketBaseOptions> = {}) {
  const fake = new FakeUpstream(options);
  const wire = { baseUrl, headers: {}, fetch: fake.fetch, clock: Date.now, ...more };
  return { fake, wire, server: pocketBase({ ...wire, token: fake.impersonate() }) };
}

/** A server that gives every request this one answer. */
const always = (answer: () => Response | Promise<Response>, more: Partial<PocketBaseOptions> = {}) =>
  pocketBase({ baseUrl, headers: {}, fetch: async () => answer(), clock: Date.now, token: "t", ...more });

const json = (status: number, body: unknown) => () => Response.json(body, { status });
const error = (status: number, message: string, data: unknown = {}) => json(status, { data, message, status });

type Called = "list" | "create" | "delete" | "restore" | "health" | "fileToken";
const call = (server: BackupsApi, name: Called, signal?: AbortSignal): Promise<UpstreamResult<unknown>> =>
  name === "create" || name === "delete" || name === "restore" ? server[name]("a.zip", signal) : server[name](signal);

const reads: Called[] = ["list", "health", "fileToken"];
const changes: Called[] = ["create", "delete", "restore"];
const everyCall = [...reads, ...changes];

/** Code, unclear and unauthorized of a fault; "ok" of a success. */
const told = (result: UpstreamResult<unknown>) =>
  result.ok ? "ok" : [result.error.problem.code, result.error.unclear, result.error.unauthorized];

describe("what goes wrong between the relay and a server", () => {
  const weather: [name: string, fault: Fault, code: string, unclear: boolean][] = [
    ["no connection", { kind: "down" }, "upstream_unreachable", true],
    ["a connection closed without a byte", { kind: "reset" }, "upstream_unreachable", true],
    ["429", { kind: "rateLimited" }, "upstream_rate_limited", false],
    ["a superuser IP list without us", { kind: "ipRefused" }, "upstream_address_refused", false],
    ["a proxy's 502", { kind: "html", status: 502 }, "upstream_proxy_failed", true],
    ["a proxy's 503", { kind: "html", status: 503 }, "upstream_proxy_failed", true],
    ["Cloudflare's 520", { kind: "html", status: 520 }, "upstream_proxy_failed", true],
    ["Cloudflare's 521", { kind: "html", status: 521 }, "upstream_proxy_failed", true],
    ["Cloudflare's 522", { kind: "html", status: 522 }, "upstream_timeout", true],
    ["Cloudflare's 524", { kind: "html", status: 524 }, "upstream_timeout", true],
    ["Cloudflare's 525", { kind: "html", status: 525 }, "upstream_tls_failed", true],
    ["Cloudflare's 526", { kind: "html", status: 526 }, "upstream_tls_failed", true],
    ["Cloudflare's 530", { kind: "html", status: 530 }, "upstream_proxy_failed", true],
    ["a gateway's 504", { kind: "html", status: 504 }, "upstream_timeout", true],
    ["a firewall's 403", { kind: "html", status: 403 }, "upstream_proxy_refused", false],
    ["a proxy's 401", { kind: "html", status: 401 }, "upstream_proxy_refused", false],
    ["a proxy's 413", { kind: "html", status: 413 }, "upstream_body_refused", false],
    ["a web server's 404", { kind: "html", status: 404 }, "upstream_not_found", false],
    ["a redirect", { kind: "redirect", to: "https://elsewhere.example/" }, "upstream_redirected", false],
  ];
  for (const [name, fault, code, unclear] of weather)
    it(`calls ${name} ${code}${unclear ? ", which leaves changes unclear" : ""}`, async () => {
      const { fake, server } = setUp();
      await fake.make("a.zip");
      fake.faults.add(fault);
      for (const one of everyCall)
        expect([one, told(await call(server, one))]).toEqual([one, [code, unclear && changes.includes(one), false]]);
    });

  it.each([
    [521, "error code: 521", "upstream_proxy_failed", /refuses Cloudflare's connection/],
    [525, "error code: 525", "upstream_tls_failed", /handshake/],
    [526, "<h1>Invalid SSL certificate</h1> Error code 526", "upstream_tls_failed", /not valid/],
    [530, "error code: 1016", "upstream_name_unknown", /does not resolve/],
    [530, "error code: 1033", "upstream_proxy_failed", /Tunnel is not connected/],
    [403, "error code: 1003", "upstream_proxy_refused", /no IP addresses/],
    [400, "Client sent an HTTP request to an HTTPS server.\n", "upstream_tls_failed", /wants TLS/],
    [400, "The plain HTTP request was sent to HTTPS port", "upstream_tls_failed", /wants TLS/],
  ] as const)("tells what is in the way by a foreign %s of %s", async (status, text, code, words) => {
    const answer = await call(
      always(() => new Response(text, { status })),
      "list",
    );
    expect(answer).toMatchObject({ ok: false, error: { problem: { code, message: expect.stringMatching(words) } } });
    if (!answer.ok) expect(answer.error.problem.hint).toMatch(/\w{3}.*\.$/);
  });

  it("is unauthorized with a dead token, and a guest in health", async () => {
    const { fake, server } = setUp();
    fake.faults.add({ kind: "deadToken" });
    for (const one of everyCall.filter((each) => each !== "health"))
      expect([one, told(await call(server, one))]).toEqual([one, ["upstream_unauthorized", false, true]]);
    expect(await server.health()).toMatchObject({ ok: true, value: { superuser: false, idle: null } });
  });

  it("is unauthorized with a token that is no superuser's, and says so", async () => {
    const { fake, wire } = setUp();
    const server = pocketBase({ ...wire, token: fake.accounts.issue("auth", "user", 60) });
    const answer = await server.list();
    expect(told(answer)).toEqual(["upstream_unauthorized", false, true]);
    expect(answer).toMatchObject({ error: { problem: { message: expect.stringContaining("not a superuser") } } });
  });

  it("gives up in time and leaves changes unclear", async () => {
    const quick = { quick: 20, list: 20, change: 20, create: 20 };
    const { fake, server } = setUp({}, { timeouts: quick });
    fake.faults.add({ kind: "slow", ms: 60_000 });
    for (const one of everyCall)
      expect([one, told(await call(server, one))]).toEqual([one, ["upstream_timeout", changes.includes(one), false]]);
  });

  it("gives up in time on a body that never ends", async () => {
    const hanging = () =>
      new Response(new ReadableStream({ start: (body) => body.enqueue(new TextEncoder().encode("[")) }));
    const server = always(hanging, { timeouts: { list: 20 }, fetch: withAbort(hanging) });
    expect(told(await server.list())).toEqual(["upstream_timeout", false, false]);
  });

  it("ends with the caller's signal, before and during the call", async () => {
    const { fake, server } = setUp();
    expect(told(await server.create("a.zip", AbortSignal.abort()))).toEqual(["upstream_timeout", true, false]);
    fake.faults.add({ kind: "slow", ms: 60_000 });
    const cut = new AbortController();
    const answer = server.restore("a.zip", cut.signal);
    cut.abort();
    expect(told(await answer)).toEqual(["upstream_timeout", true, false]);
  });

  it("reads lists to 16 MiB and everything else to 1 MiB", async () => {
    const { fake, server } = setUp();
    fake.faults.add({ kind: "hugeJson", bytes: 16 * 1024 * 1024, on: "list", times: 1 });
    expect(told(await server.list())).toBe("ok");
    fake.faults.add({ kind: "hugeJson", bytes: 16 * 1024 * 1024 + 1 });
    for (const one of reads)
      expect([one, told(await call(server, one))]).toEqual([one, ["upstream_too_large", false, false]]);
  });

  it("reads ten thousand backups", async () => {
    const items = Array.from({ length: 10_000 }, (_, n) => ({
      modified: "2026-11-23 00:17:13.814Z",
      key: `${n}.zip`,
      size: n,
    }));
    const answer = await always(json(200, items)).list();
    expect(answer.ok && answer.value.items.length).toBe(10_000);
  });

  it("believes no list with an odd item, and keeps fields it does not know", async () => {
    const sound = { modified: "2026-11-23 00:17:13.814Z", key: "a.zip", size: 1, etag: "x" };
    expect(await always(json(200, [sound])).list()).toMatchObject({ ok: true, value: { items: [sound] } });
    for (const odd of [
      { ...sound, key: 5 },
      { ...sound, size: -1 },
      { ...sound, size: "1" },
      { ...sound, size: 0.5 },
      { key: "a.zip" },
      null,
      "a.zip",
    ])
      expect(told(await always(json(200, [sound, odd])).list())).toEqual(["upstream_invalid", false, false]);
    expect(told(await always(json(200, {})).list())).toEqual(["upstream_invalid", false, false]);
  });

  it("believes no answer that PocketBase would not give", async () => {
    const { fake, server } = setUp();
    fake.faults.add({ kind: "invalidJson" });
    for (const one of reads) expect(told(await call(server, one))).toEqual(["upstream_invalid", false, false]);
    const page = () => new Response("<html>welcome</html>", { headers: { "Content-Type": "text/html" } });
    for (const one of everyCall)
      expect([one, told(await call(always(page), one))]).toEqual([
        one,
        ["upstream_invalid", changes.includes(one), false],
      ]);
    expect(told(await always(json(200, { token: "" })).fileToken())).toEqual(["upstream_invalid", false, false]);
    expect(told(await always(json(200, { status: "ok" })).health())).toEqual(["upstream_invalid", false, false]);
  });

  it("refuses PocketBase 0.22 in words", async () => {
    const { server } = setUp({ version: "0.22.27" }, {});
    expect(await server.health()).toMatchObject({ ok: true, value: { superuser: false, age: "<=0.22" } });
    const guest = pocketBase({ ...setUp({ version: "0.22.27" }).wire, token: "" });
    expect(told(await guest.list())).toEqual(["unsupported_version", false, false]);
    expect(told(await server.delete("missing.zip"))).toEqual(["unsupported_version", false, false]);
  });
});

/** A fetch whose body errors with its signal, as a real one's does. */
function withAbort(answer: () => Response): Fetch {
  return async (_url, init) => {
    const response = answer();
    const reader = response.body!.getReader();
    const body = new ReadableStream({
      start: (controller) => init.signal!.addEventListener("abort", () => controller.error(init.signal!.reason)),
      pull: async (controller) => controller.enqueue((await reader.read()).value),
    });
    return new Response(body);
  };
}

describe("what a server refuses in its own words", () => {
  const busy = "Try again later - another backup/restore process has already been started.";
  const raw =
    'Get "http://10.0.0.5:9000/secret-bucket/?list-type=2": dial tcp: connection refused <Error><Key>AKIA</Key></Error>';
  const texts: [name: Called, status: number, message: string, code: string, unclear: boolean][] = [
    ["create", 400, busy, "upstream_busy", false],
    ["restore", 400, busy, "upstream_busy", false],
    ["create", 400, "Failed to create backup.", "create_failed", true],
    ["restore", 400, "Missing or invalid backup file.", "backup_missing", false],
    ["delete", 400, "The backup is currently being used and cannot be deleted.", "backup_in_use", false],
    [
      "delete",
      400,
      "Invalid or already deleted backup file. Raw error: \n[key: a.zip] remove /srv/pb_data/backups/a.zip: no such file or directory\nresource not found.",
      "backup_deleted",
      false,
    ],
    ["delete", 400, "Invalid or already deleted backup file. Raw error: \nblob not found.", "backup_deleted", false],
    [
      "delete",
      400,
      "Invalid or already deleted backup file. Raw error: \n[key: sub] remove /srv/sub: directory not empty.",
      "backup_deleted",
      false,
    ],
    ["delete", 400, `Invalid or already deleted backup file. Raw error: \n${raw}`, "backup_deleted", true],
    ["list", 400, `Failed to retrieve backup items. Raw error: \n${raw}`, "upstream_storage_failed", false],
    ["list", 400, "Failed to load backups filesystem.", "upstream_storage_failed", false],
    ["delete", 500, "Failed to load backups filesystem.", "upstream_storage_failed", false],
    ["restore", 500, "Something went wrong while processing your request.", "upstream_failed", true],
    ["list", 400, "Something went wrong while processing your request.", "upstream_refused", false],
    ["create", 400, `A hook says ${raw}`, "upstream_refused", false],
    ["list", 404, "The requested resource wasn't found.", "upstream_not_found", false],
    ["list", 404, "File not found.", "upstream_not_found", false],
    ["create", 413, "Request entity too large.", "upstream_body_refused", false],
    ["list", 401, "Something new about tokens.", "upstream_unauthorized", false],
  ];
  for (const [name, status, message, code, unclear] of texts)
    it(`${name}: ${status} ${message.slice(0, 60).replaceAll("\n", " ")} → ${code}${unclear ? ", unclear" : ""}`, async () => {
      const answer = await call(always(error(status, message)), name);
      expect(told(answer)).toEqual([code, unclear, code === "upstream_unauthorized"]);
      for (const leak of ["10.0.0.5", "AKIA", "/srv", "Raw error", "bucket/"])
        expect(JSON.stringify(answer)).not.toContain(leak);
    });

  it("passes validation errors on exactly, and nothing else from their data", async () => {
    const name = {
      code: "validation_length_out_of_range",
      message: "The length must be between 1 and 150.",
      params: { max: 150, min: 1 },
    };
    const message = "An error occurred while validating the submitted data.";
    const answer = await always(error(400, message, { name, "x y": name, odd: "text", __proto__: name })).create(
      "a.zip",
    );
    expect(answer).toEqual({
      ok: false,
      error: { problem: { code: "invalid_request", data: { name } }, unclear: false, unauthorized: false },
    });
    expect(problems.invalid_request.message).toBe(message);
  });

  it("passes nothing on that a hook or a proxy wrote among them", async () => {
    const said = (code: string, words: string, params?: unknown) => ({
      code,
      message: words,
      ...(params ? { params } : {}),
    });
    const bounds = { max: 150, min: 1, secret: "s", list: ["s"] };
    const cases: [said: unknown, told: unknown][] = [
      [said("validation_required", "Cannot be blank. s"), said("validation_invalid_value", "Invalid value.")],
      [said("validation_s", "Cannot be blank."), said("validation_invalid_value", "Invalid value.")],
      [
        said("validation_length_out_of_range", "The length must be between 1 and 150.", bounds),
        said("validation_length_out_of_range", "The length must be between 1 and 150.", { max: 150, min: 1 }),
      ],
      [
        said("validation_invalid_mime_type", '"s.zip" mime type must be one of: application/zip.'),
        said("validation_invalid_mime_type", "The mime type must be one of: application/zip."),
      ],
    ];
    for (const [name, told] of cases) {
      const body = error(400, "An error occurred while validating the submitted data.", { name, s: name });
      expect(await always(body).create("a.zip")).toMatchObject({ error: { problem: { data: { name: told } } } });
    }
  });

  it("marks a taken name, which S3 that is down looks like too", async () => {
    const { fake, server } = setUp();
    await fake.make("a.zip");
    expect(told(await server.create("a.zip"))).toEqual(["backup_name_exists", false, false]);
    fake.faults.add({ kind: "s3Down" });
    const answer = await server.create("other.zip");
    expect(told(answer)).toEqual(["backup_name_exists", false, false]);
    expect(answer).toMatchObject({ error: { problem: { data: { name: { code: "validation_backup_name_exists" } } } } });
    expect(told(await server.list())).toEqual(["upstream_storage_failed", false, false]);
    expect(told(await server.restore("a.zip"))).toEqual(["backup_missing", false, false]);
    expect(told(await server.delete("a.zip"))).toEqual(["backup_deleted", true, false]);
  });

  it("keeps PocketBase's messages to the letter where the relay repeats them", () => {
    expect(problems.upstream_busy.message).toBe(busy);
    expect(problems.create_failed.message).toBe("Failed to create backup.");
    expect(problems.upload_failed.message).toBe("Failed to upload backup.");
    expect(problems.backup_missing.message).toBe("Missing or invalid backup file.");
    expect(problems.backup_in_use.message).toBe("The backup is currently being used and cannot be deleted.");
    expect(problems.backup_deleted.message).toBe("Invalid or already deleted backup file.");
  });

  it("honours a Retry-After up to five minutes and states one of its own otherwise", async () => {
    const limited = (value?: string) => () =>
      new Response("slow down", { status: 429, headers: value ? { "Retry-After": value } : {} });
    for (const [value, seconds] of [
      ["7", 7],
      ["100000", 300],
      ["Wed, 21 Oct 2026 07:28:00 GMT", 10],
      [undefined, 10],
    ] as const)
      expect(await always(limited(value)).list()).toMatchObject({ error: { problem: { retryAfterSeconds: seconds } } });
  });

  it("does not take a proxy's 404 for a canary that is gone", async () => {
    const page = () => new Response("<html>404</html>", { status: 404 });
    expect(told(await always(page).canaryPresent("x"))).toEqual(["upstream_invalid", false, false]);
    expect(await always(error(404, "The requested resource wasn't found.")).canaryPresent("x")).toEqual({
      ok: true,
      value: false,
    });
  });
});

describe("what is sent", () => {
  it("carries nothing but what is needed, follows nothing, caches nothing", async () => {
    const sent: { url: string; init: RequestInit }[] = [];
    const fetch: Fetch = async (url, init) => {
      sent.push({ url, init });
      return Response.json([]);
    };
    const headers = { "cf-access-client-id": "id", authorization: "Basic x" };
    const server = pocketBase({
      baseUrl: "https://pb.example.com/t/acme",
      headers,
      fetch,
      clock: Date.now,
      token: "secret",
    });
    await server.list();
    await server.create("a.zip");
    await server.delete("@auto é #?%/x.zip");
    await server.restore("a b.zip");
    expect(sent.map(({ url, init }) => `${init.method} ${url}`)).toEqual([
      "GET https://pb.example.com/t/acme/api/backups",
      "POST https://pb.example.com/t/acme/api/backups",
      "DELETE https://pb.example.com/t/acme/api/backups/%40auto%20%C3%A9%20%23%3F%25%2Fx.zip",
      "POST https://pb.example.com/t/acme/api/backups/a%20b.zip/restore",
    ]);
    expect(Object.fromEntries(new Headers(sent[1]!.init.headers))).toEqual({
      accept: "application/json",
      "accept-encoding": "identity",
      authorization: "secret",
      "cf-access-client-id": "id",
      "content-type": "application/json",
    });
    expect(sent[1]!.init.body).toBe('{"name":"a.zip"}');
    for (const { init } of sent) expect([init.redirect, init.cache]).toEqual(["manual", "no-store"]);
  });

  it("sends nothing for keys that no URL can carry", async () => {
    const { fake, server } = setUp();
    for (const key of ["", ".", "..", "\ud800"]) {
      expect(told(await server.delete(key))).toEqual(["backup_deleted", false, false]);
      expect(told(await server.restore(key))).toEqual(["backup_missing", false, false]);
    }
    expect(fake.requests).toEqual([]);
  });

  it("does not carry the token along a redirect", async () => {
    const { fake, server } = setUp();
    fake.faults.add({ kind: "redirect", to: `${baseUrl}/elsewhere` });
    await server.list();
    expect(fake.requests.map(({ path }) => path)).toEqual(["/api/backups"]);
  });
});

describe("tokens", () => {
  it("logs in, and names what stands against it", async () => {
    const { fake, wire } = setUp();
    const good = await login(wire, { email: fake.email, password: fake.password });
    expect(good.ok && good.value.expires! > Date.now() + 80_000_000).toBe(true);
    expect(told(await login(wire, { email: fake.email, password: "wrong" }))).toEqual([
      "upstream_unauthorized",
      false,
      true,
    ]);
    expect(told(await login(wire, { email: "", password: "" }))).toEqual(["upstream_unauthorized", false, true]);
    fake.world.mfa = true;
    expect(told(await login(wire, { email: fake.email, password: fake.password }))).toEqual([
      "upstream_mfa",
      false,
      false,
    ]);
    fake.faults.add({ kind: "ipRefused" });
    expect(told(await login(wire, { email: fake.email, password: fake.password }))).toEqual([
      "upstream_address_refused",
      false,
      false,
    ]);
    const old = setUp({ version: "0.22.27" });
    expect(told(await login(old.wire, { email: "a", password: "b" }))).toEqual(["unsupported_version", false, false]);
  });

  it("measures a file token's life by the server's clock, not by ours", async () => {
    for (const clockSkewMs of [-7_200_000, 0, 7_200_000]) {
      const { server } = setUp({ clockSkewMs });
      const minted = await server.fileToken();
      const left = minted.ok ? minted.value.expires - Date.now() : 0;
      expect(left > 175_000 && left < 185_000).toBe(true);
    }
  });

  it("reads claims of what is a JWT and nothing of what is not", () => {
    const { fake } = setUp();
    expect(tokenClaims(fake.impersonate(60))).toMatchObject({ collectionId: "pbc_3142635823", refreshable: false });
    expect(tokenExpiry(fake.impersonate(60))! - Date.now() <= 60_000).toBe(true);
    for (const text of ["", "a.b", "a.b.c", "a.!!.c", `a.${btoa("null")}.c`, `a.${btoa("5").replace("=", "")}.c`])
      expect([text, tokenExpiry(text)]).toEqual([text, null]);
  });
});
