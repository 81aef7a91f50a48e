import { describe, expect, it } from "vitest";
import { type Outcome, sdk } from "../harness/clients.ts";
import { type Act, conformance, row, type Stages } from "../harness/conformance/rows.ts";
import { type Stage, versions, type Who } from "../harness/conformance/sides.ts";
import { admin, mintKey } from "../harness/relay-client.ts";
import * as says from "./answers.ts";

const LOGIN = "/api/collections/_superusers/auth-with-password";
const REFRESH = "/api/collections/_superusers/auth-refresh";
const json = { "content-type": "application/json" };

const login =
  (identity: unknown, password: unknown): Act =>
  (side) =>
    side.raw("POST", LOGIN, { headers: json, body: JSON.stringify({ identity, password }) });
const post =
  (path: string, as?: Who, body?: string, headers: Record<string, string> = body === undefined ? {} : json): Act =>
  (side) =>
    side.raw("POST", path, { as, body, headers });
const typed =
  (type: string | null, body: string): Act =>
  (side) =>
    side.raw("POST", LOGIN, { headers: type === null ? {} : { "content-type": type }, body });
const loginForm = ["identity", "password"]
  .map((name) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nx\r\n`)
  .concat("--b--\r\n")
  .join("");
/** A login that succeeds, at a collection as it is written in the address. */
const logInWith =
  (collection: string, query = ""): Act =>
  (side, { server: { email, password } }) => {
    const own =
      side.name === "relay" ? { identity: "x", password: side.credential("S") } : { identity: email, password };
    const path = LOGIN.replace("_superusers", collection) + query;
    return side.raw("POST", path, { headers: json, body: JSON.stringify(own) });
  };
/** Names and types of what is answered: the values are about somebody else on each side. */
const shape =
  (act: Act): Act =>
  async (side, stage) => {
    const seen = await act(side, stage);
    const typesOf = (value: unknown): unknown =>
      typeof value === "object" && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .filter(([name]) => name !== "name")
              .map(([name, inner]) => [name, typesOf(inner)]),
          )
        : typeof value;
    return { ...seen, body: typesOf(seen.body) };
  };
const options =
  (path: string, headers: Record<string, string> = {}): Act =>
  (side) =>
    side.raw("OPTIONS", path, { headers });
const preflight =
  (path: string): Act =>
  (side) =>
    side.raw("OPTIONS", path, {
      headers: {
        origin: "https://app.example",
        "access-control-request-method": "DELETE",
        "access-control-request-headers": "authorization,content-type",
      },
    });
const fromPage =
  (path: string, as?: Who): Act =>
  (side) =>
    side.raw("GET", path, { as, headers: { origin: "https://app.example" } });

const payload = (token: string) => JSON.parse(atob(token.split(".")[1]!));
/** A login's answer is about somebody else on each side; its shape and what SDKs read from the token are not. */
const loggedIn = ({ body }: Outcome) => {
  const { record, token } = body as { record: Record<string, unknown>; token: string };
  expect(record).toMatchObject({ collectionId: "pbc_3142635823", collectionName: "_superusers", verified: true });
  for (const name of ["id", "email", "created", "updated", "emailVisibility"]) expect(record).toHaveProperty(name);
  expect(payload(token)).toMatchObject({
    type: "auth",
    collectionId: "pbc_3142635823",
    id: record.id,
    refreshable: true,
  });
};
const fileToken = ({ body }: Outcome) => {
  const { exp, type } = payload((body as { token: string }).token);
  expect(type).toBe("file");
  expect(exp - Date.now() / 1000).toBeGreaterThan(170);
  expect(exp - Date.now() / 1000).toBeLessThanOrEqual(181);
};
const same = (differs: string, body: (seen: Outcome) => void) => ({ relay: { differs, body } });
const cors = { headers: ["access-control-allow-origin", "access-control-allow-credentials", "vary"] };
const preflighted = {
  headers: [...cors.headers, "access-control-allow-methods", "access-control-allow-headers", "content-length"],
};
const long = "x".repeat(256);

conformance(
  { call: "sessions, tickets and pages", missingScope: "backups:download" },
  [
    row(
      "a refresh by the SDK",
      (side) => side.superuser.call((pb) => pb.collection("_superusers").authRefresh()),
      200,
      loggedIn,
      same("sessions", loggedIn),
    ),
    row("a wrong password", login("superuser@example.com", "wrong"), 400, says.loginFailed),
    row("a wrong password of a key's length", login("x", `brk_${"A".repeat(62)}`), 400, says.loginFailed),
    row("a blank login", login("", ""), 400, { data: { identity: {}, password: {} } }),
    row("a login with nothing", post(LOGIN, undefined, "{}"), 400, { data: { identity: {}, password: {} } }),
    row("a login without a body", post(LOGIN), 400, { data: { identity: {}, password: {} } }),
    row("a login with too long texts", login(long, long), 400, { data: { identity: {}, password: {} } }),
    row("a login of broken JSON", post(LOGIN, undefined, "{bad"), 400, says.notLoaded),
    row("a login of numbers", login(1, 2), 400, says.notLoaded),
    row(
      "a login as a form",
      post(LOGIN, undefined, "identity=x&password=y", { "content-type": "application/x-www-form-urlencoded" }),
      400,
      says.loginFailed,
    ),
    ...["text/plain", "APPLICATION/JSON", "application/problem+json"].map((type) =>
      row(`a login as ${type}`, typed(type, '{"identity":"x","password":"y"}'), 400, says.unsupportedType),
    ),
    row("a login without a type", typed(null, '{"identity":"x","password":"y"}'), 400, says.unsupportedType),
    row("a login as XML that is none", typed("application/xml", "{}"), 400, says.notLoaded),
    row("a login as multipart", typed("multipart/form-data; boundary=b", loginForm), 400, says.loginFailed),
    row(
      "a login with a byte order mark",
      post(LOGIN, undefined, '\ufeff{"identity":"x","password":"y"}'),
      400,
      says.notLoaded,
    ),
    row(
      "a login with trailing garbage",
      post(LOGIN, undefined, '{"identity":"x","password":"y"} x'),
      400,
      says.loginFailed,
    ),
    row(
      "a login with fields in capitals",
      post(LOGIN, undefined, '{"IDENTITY":"x","Password":"y"}'),
      400,
      says.loginFailed,
    ),
    ...["pbc_3142635823", "_SuperUsers"].map((collection) =>
      row(`a login at ${collection}`, logInWith(collection), 200, loggedIn, same("sessions", loggedIn)),
    ),
    row(
      "a refresh by the collection's id",
      post(REFRESH.replace("_superusers", "pbc_3142635823"), "S"),
      200,
      loggedIn,
      same("sessions", loggedIn),
    ),
    row("a login at an unknown collection", logInWith("PBC_3142635823"), 404, undefined, {
      relay: { differs: "other-routes", body: says.noRoute },
    }),
    ...["token", "record.id", "record.email,nope", "*,record.id", "record.nope", "nope", ","].map((fields) =>
      row(`a login with the fields ${fields}`, shape(logInWith(`_superusers`, `?fields=${fields}`)), 200),
    ),
    row("a refresh with one field", shape(post(`${REFRESH}?fields=token`, "S")), 200, { token: "string" }),
    row("GET of the login", (side) => side.raw("GET", LOGIN), 404, says.noFile),
    row("a refresh as S", post(REFRESH, "S"), 200, loggedIn, same("sessions", loggedIn)),
    row("a refresh as a guest", post(REFRESH), 401, says.unauthorized),
    row("a refresh with a file token", post(REFRESH, "F"), 401, says.unauthorized),
    row(
      "a file token as S, by the SDK",
      (side) => side.superuser.call((pb) => pb.files.getToken().then(() => true)),
      200,
      fileToken,
      same("tickets", fileToken),
    ),
    row("a file token with an unknown field chosen", post("/api/files/token?fields=nope", "S"), 200, {}),
    row(
      "a file token with a JSON body",
      post("/api/files/token", "S", "{}"),
      200,
      fileToken,
      same("tickets", fileToken),
    ),
    row("a file token as a guest", post("/api/files/token"), 401, says.unauthorized),
    row("a file token for a file token", post("/api/files/token", "F"), 401, says.unauthorized),
    row("a file token as U", post("/api/files/token", "U"), 200, fileToken, {
      relay: { differs: "tickets", status: 403, body: says.forbidden },
    }),
    row("the settings", (side) => side.raw("GET", "/api/settings", { as: "S" }), 200, undefined, {
      relay: { differs: "other-routes", status: 404, body: says.noFile },
    }),
    row("a preflight of the list", preflight("/api/backups"), 204, undefined, preflighted),
    row("a preflight of a backup", preflight("/api/backups/x.zip"), 204, undefined, preflighted),
    row("a preflight of a restore", preflight("/api/backups/x.zip/restore"), 204, undefined, preflighted),
    row("OPTIONS without an origin", options("/api/backups"), 204, undefined, preflighted),
    row(
      "OPTIONS with an origin alone",
      options("/api/health", { origin: "https://app.example" }),
      204,
      undefined,
      preflighted,
    ),
    row(
      "OPTIONS with a method alone",
      options("/api/backups/x.zip", { "access-control-request-method": "GET" }),
      204,
      undefined,
      preflighted,
    ),
    row("OPTIONS of an unknown path", options("/api/nope"), 204, undefined, preflighted),
    row("the list for a page", fromPage("/api/backups", "S"), 200, [], cors),
    row("a refusal for a page", fromPage("/api/backups"), 401, says.unauthorized, cors),
    row("health for a page", fromPage("/api/health"), 200, undefined, cors),
  ],
  (stageOf) => {
    for (const version of versions)
      describe(`PocketBase ${version} behind the relay`, () => sdkSessions(version, stageOf));
  },
);

function sdkSessions(version: string, stageOf: Stages): void {
  const minted = async (stage: Stage, more: Record<string, unknown> = {}) =>
    mintKey(stage.relay, { name: "sdk", ...more }, stage.instance);

  it("the SDK takes a key's login for a superuser's, and keeps working after a refresh", async () => {
    const stage = stageOf(version);
    const { key, id } = await minted(stage);
    const { pb } = sdk(stage.relay.url);
    const answer = await pb.collection("_superusers").authWithPassword("any text at all", key);
    expect([pb.authStore.isValid, pb.authStore.isSuperuser, pb.authStore.record?.id]).toEqual([true, true, id]);
    expect(answer.record.collectionName).toBe("_superusers");
    expect(await pb.backups.getFullList()).toEqual([]);
    await pb.collection("_superusers").authRefresh();
    expect(await pb.backups.getFullList()).toEqual([]);
    expect(pb.authStore.token).not.toContain(key);
  });

  it("its payload can be read without an URL-safe alphabet, as the JS SDK reads it", async () => {
    const stage = stageOf(version);
    const { key } = await minted(stage);
    const { pb } = sdk(stage.relay.url);
    await pb.collection("_superusers").authWithPassword("x", key);
    expect(pb.authStore.token.split(".")[1]).toMatch(/^[A-Za-z0-9+/]+$/);
    expect(payload(pb.authStore.token).exp).toSatisfy(Number.isInteger);
  });

  it("the key itself is a token in JS", async () => {
    const stage = stageOf(version);
    const { key } = await minted(stage);
    const { pb } = sdk(stage.relay.url);
    pb.authStore.save(key, null);
    expect(await pb.backups.getFullList()).toEqual([]);
    expect((await pb.health.check()).data).toHaveProperty("canBackup");
    await pb.collection("_superusers").authRefresh();
    expect(pb.authStore.isSuperuser).toBe(true);
  });

  it("a session and a ticket end with their key", async () => {
    const stage = stageOf(version);
    await stage.store.reset(["test1.zip"]);
    const { key, id } = await minted(stage);
    const { pb } = sdk(stage.relay.url);
    await pb.collection("_superusers").authWithPassword("x", key);
    const url = pb.backups.getDownloadURL(await pb.files.getToken(), "test1.zip");
    expect((await fetch(url)).status).toBe(200);
    const disabled = await admin(stage.relay, `/v1/keys/${id}`, {
      method: "PATCH",
      body: { disabled: true },
      instance: stage.instance,
    });
    expect(disabled.status).toBe(200);
    await expect(pb.backups.getFullList()).rejects.toMatchObject({ status: 401 });
    expect((await fetch(url)).status).toBe(403);
    await expect(sdk(stage.relay.url).pb.collection("_superusers").authWithPassword("x", key)).rejects.toMatchObject({
      status: 400,
      message: "Failed to authenticate.",
    });
  });
}
