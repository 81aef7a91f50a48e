import { expect } from "vitest";
import { type Act, conformance, fourBackups, row } from "../harness/conformance/rows.ts";
import type { Who } from "../harness/conformance/sides.ts";
import { forbidden, noFile, noRoute, unauthorized } from "./answers.ts";

const list: Act = (side) => side.superuser.call((pb) => pb.backups.getFullList());
const health: Act = (side) => side.superuser.call((pb) => pb.health.check());
const ask =
  (method: string, path: string, as?: Who): Act =>
  (side) =>
    side.raw(method, path, { as });
const picked = (fields: string) => ask("GET", `/api/backups?fields=${fields}`, "S");
/** The list with the token of S in another place. */
const placed =
  (headers: (token: string) => Record<string, string>): Act =>
  (side) =>
    side.raw("GET", "/api/backups", { headers: headers(side.credential("S")) });
const cookie = (token: string) => `pb_auth=${encodeURIComponent(JSON.stringify({ token }))}`;

const sorted = [...fourBackups].sort();
const four = sorted.map((key) => expect.objectContaining({ key, modified: "2026-05-19 16:25:57.000Z" }));
const guest = { message: "API is healthy.", code: 200, data: {} };
const superuser = (canBackup: boolean) => ({ ...guest, data: { canBackup, realIP: "127.0.0.1" } });
/** What the server sees of the relay is nobody's business. */
const throughRelay = (canBackup: boolean) => ({ ...guest, data: { canBackup, realIP: "", possibleProxyHeader: "" } });
const names = ["b a.zip", "B.zip", "a#b?c%.zip", "é 日本.zip", "no-zip", "@auto_pb_backup_acme_20260519162557.zip"];

conformance({ call: "list, routes and health", missingScope: "backups:list", given: fourBackups }, [
  row("1 without a credential", (side) => side.guest.call((pb) => pb.backups.getFullList()), 401, unauthorized),
  row("2 as U", ask("GET", "/api/backups", "U"), 403, forbidden),
  row("3 of an empty store", list, 200, [], { given: [] }),
  row("4 of four backups", list, 200, four),
  row(
    "with a query and a header of one's own, as SDK tests send them",
    (side) => side.superuser.call((pb) => pb.backups.getFullList({ q1: 123, headers: { "x-test": "456" } })),
    200,
    four,
  ),
  row(
    "of one field, by the SDK",
    (side) => side.superuser.call((pb) => pb.backups.getFullList({ fields: "key" })),
    200,
    sorted.map((key) => ({ key })),
  ),
  row("of two fields with a space", picked("key,%20size"), 200),
  row("of a field that does not exist", picked("nope"), 200, [{}, {}, {}, {}]),
  row("of all fields", picked("*"), 200, four),
  row("of an empty choice of fields", picked(""), 200, four),
  row("of a shortened field", picked("key:excerpt(5)"), 200, [{ key: "@test" }, {}, {}, {}], {
    relay: { differs: "field-modifiers", body: sorted.map((key) => ({ key })) },
  }),
  row("of names of every kind, in the server's order", list, 200, [{}, {}, {}, {}, {}, {}], { given: names }),
  row(
    "with Bearer",
    placed((token) => ({ authorization: `Bearer ${token}` })),
    200,
    four,
  ),
  row(
    "with bEaReR",
    placed((token) => ({ authorization: `bEaReR ${token}` })),
    200,
    four,
  ),
  row(
    "with Basic",
    placed((token) => ({ authorization: `Basic ${token}` })),
    401,
    unauthorized,
  ),
  row(
    "with the token in a cookie",
    placed((token) => ({ cookie: cookie(token) })),
    401,
    unauthorized,
  ),
  row(
    "with a token of a made-up signature",
    (side) => {
      const forged = `${side.superuser.pb.authStore.token.slice(0, -6)}AAAAAA`;
      return side.raw("GET", "/api/backups", { headers: { authorization: forged } });
    },
    401,
    unauthorized,
  ),
  row("with a file token", ask("GET", "/api/backups", "F"), 401, unauthorized),
  row(
    "with the token in the query",
    (side) => side.raw("GET", `/api/backups?token=${side.credential("S")}`),
    401,
    unauthorized,
  ),
  row("HEAD", ask("HEAD", "/api/backups", "S"), 200),
  row("PUT", ask("PUT", "/api/backups", "S"), 404, noRoute),
  row("DELETE of the list", ask("DELETE", "/api/backups", "S"), 404, noRoute),
  row("PATCH of a backup", ask("PATCH", "/api/backups/test1.zip", "S"), 404, noRoute),
  row("POST to a backup", ask("POST", "/api/backups/test1.zip", "S"), 404, noRoute),
  row("a slash after the list", ask("GET", "/api/backups/", "S"), 404, noFile),
  row("GET of a restore", ask("GET", "/api/backups/test1.zip/restore", "S"), 404, noFile),
  row("GET of an unknown path", ask("GET", "/api/nope", "S"), 404, noFile),
  row("GET of an unknown path without a credential", ask("GET", "/api/nope"), 404, noFile),
  row("HEAD of an unknown path", ask("HEAD", "/api/nope"), 404),
  row("POST to an unknown path", ask("POST", "/api/nope", "S"), 404, noRoute),
  row("health as a guest", (side) => side.guest.call((pb) => pb.health.check()), 200, guest),
  row(
    "health with a dead token",
    (side) => side.raw("GET", "/api/health", { headers: { authorization: "dead" } }),
    200,
    guest,
  ),
  row("health as S", health, 200, superuser(true), { relay: { differs: "health", body: throughRelay(true) } }),
  row("health while others hold the lock", health, 200, superuser(false), {
    lock: { name: "held.zip", by: "direct" },
    relay: { differs: "health", body: throughRelay(false) },
  }),
  ...["code", "message,data.canBackup", "data.*", "nope", ",", "*"].map((fields) =>
    row(`health as a guest with the fields ${fields}`, ask("GET", `/api/health?fields=${fields}`), 200),
  ),
  row("health as S with one field inside another", ask("GET", "/api/health?fields=data.canBackup", "S"), 200, {
    data: { canBackup: true },
  }),
  ...["/api//backups", "/api/backups//test1.zip"].map((path) =>
    row(`the address ${path}`, ask("GET", `${path}?token=x`, "S"), 307, undefined, {
      relay: { differs: "unclean-paths", status: 404, body: noFile },
    }),
  ),
  row("HEAD of health", ask("HEAD", "/api/health"), 200),
]);
