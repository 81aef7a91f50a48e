import { defaultVersion, previousVersion } from "../../scripts/pocketbase-versions.ts";
import { type Act, conformance, fourBackups, row } from "../harness/conformance/rows.ts";
import type { HookMode, Who } from "../harness/conformance/sides.ts";
import { multipart, type Part } from "../harness/multipart.ts";
import * as says from "./answers.ts";

const json = { "content-type": "application/json" };
const generated = { after: ["pb_backup_acme_<stamp>.zip"] };
const made = { after: ["t.zip"] };
const a150 = `${"a".repeat(146)}.zip`;

const create =
  (name: string): Act =>
  (side) =>
    side.superuser.call((pb) => pb.backups.create(name));
/** Any body, as S unless told otherwise. */
const post =
  (body: string | undefined, headers: Record<string, string> = json, as: Who = "S"): Act =>
  (side) =>
    side.raw("POST", "/api/backups", { as, headers, body });
const chunked =
  (body: string, headers: Record<string, string> = json): Act =>
  (side) =>
    side.raw("POST", "/api/backups", { as: "S", headers, body, chunked: true });
const form = (...parts: Part[]): Act => {
  const { body, contentType } = multipart(parts);
  return (side) => side.raw("POST", "/api/backups", { as: "S", headers: { "content-type": contentType }, body });
};
/** A create that meets a hook on the server. */
const hooked =
  (mode: HookMode): Act =>
  async (side, stage) => {
    await stage.hook(mode);
    const seen = await create("hooked.zip")(side, stage);
    await stage.hook(null);
    return seen;
  };
/** While somebody else's create runs on the server, and while another caller's runs through the relay. */
const whileBusy = (name: string, act: Act) =>
  (["direct", "relay"] as const).map((by) =>
    row(`${name} while a create runs (${by})`, act, 400, says.busy, {
      lock: { name: "held.zip", by },
      given: fourBackups,
    }),
  );
const badNames = ["A.zip", "my-backup", ".zip", "a.b.zip", "@x.zip", "a/b.zip", "é.zip", " t.zip", "@test", "t.zip\n"];

conformance({ call: "create", missingScope: "backups:create" }, [
  row("5 without a credential", (side) => side.guest.call((pb) => pb.backups.create("t.zip")), 401, says.unauthorized),
  row("6 as U", post('{"name":"test.zip"}', json, "U"), 403, says.forbidden),
  row("7 while a create without a name runs", create("test.zip"), 400, says.busy, { lock: { name: "", by: "direct" } }),
  row("8 without a body", post(undefined, {}), 204, undefined, generated),
  row("9 of a name out of form", create("!test.zip"), 400, says.nameFormat),
  row("10 of a name", create("test.zip"), 204, undefined, { after: ["test.zip"] }),
  row("of an empty name, as SDKs send it for a generated one", create(""), 204, undefined, generated),
  row("of the name null", post('{"name":null}'), 204, undefined, generated),
  row("of an empty object", post("{}"), 204, undefined, generated),
  row("of JSON null", post("null"), 204, undefined, generated),
  row("of an empty body that says it is JSON", post(""), 204, undefined, generated),
  row("with a field in capitals", post('{"NAME":"t.zip"}'), 204, undefined, made),
  row("with trailing garbage", post('{"name":"t.zip"} garbage'), 204, undefined, made),
  row("with trailing braces", post('{"name":"t.zip","a":{"b":"}"}} }gar{bage}'), 204, undefined, made),
  row("with unknown fields", post('{"name":"t.zip","nope":[1,{"a":null}]}'), 204, undefined, made),
  row(
    "with a charset",
    post('{"name":"t.zip"}', { "content-type": "application/json; charset=utf-8" }),
    204,
    undefined,
    made,
  ),
  row("in chunks", chunked('{"name":"t.zip"}'), 204, undefined, made),
  row("as a form", post("name=t.zip", { "content-type": "application/x-www-form-urlencoded" }), 204, undefined, made),
  row("as multipart", form([{ name: "name" }, "t.zip"]), 204, undefined, made),
  row("as @jsonPayload", form([{ name: "@jsonPayload" }, '{"name":"t.zip"}']), 204, undefined, made),
  row(
    "with a query",
    (side) => side.superuser.call((pb) => pb.backups.create("t.zip", { q1: 123 })),
    204,
    undefined,
    made,
  ),
  row("as XML", post("<x><name>t.zip</name></x>", { "content-type": "application/xml" }), 204, undefined, {
    ...generated,
    relay: { differs: "create-bodies", status: 400, body: says.notLoaded, after: [] },
  }),
  row("with its name twice", post('{"name":"x.zip","name":"t.zip"}'), 400, says.notLoaded, {
    versions: { "0.39.11": { status: 204, body: {}, after: ["t.zip"] } },
    relay: { differs: "create-bodies", status: 204, body: () => {}, after: ["t.zip"] },
  }),
  row("of 150 bytes", create(a150), 204, undefined, { after: [a150] }),
  row("of 151 bytes", create(`a${a150}`), 400, says.nameLength),
  ...badNames.map((name) => row(`of the name ${JSON.stringify(name)}`, create(name), 400, says.nameFormat)),
  row("of a name that exists", create("test1.zip"), 400, says.nameExists, { given: fourBackups }),
  row("of broken JSON", post("{bad"), 400, says.notLoaded),
  row("of an array", post("[]"), 400, says.notLoaded),
  row("of a string", post('"t.zip"'), 400, says.notLoaded),
  row("of a number as name", post('{"name":5}'), 400, says.notLoaded),
  row("of an array as name", post('{"name":["t.zip"]}'), 400, says.notLoaded),
  row("with a byte order mark", post('\ufeff{"name":"t.zip"}'), 400, says.notLoaded),
  row(
    "with a byte order mark in a form",
    post("\ufeffname=t.zip", { "content-type": "application/x-www-form-urlencoded" }),
    204,
    undefined,
    generated,
  ),
  row("as JSON in capitals", post('{"name":"t.zip"}', { "content-type": "APPLICATION/JSON" }), 400, says.notLoaded),
  row(
    "as a type that begins as JSON does",
    post('{"name":"t.zip"}', { "content-type": "application/json-x" }),
    204,
    undefined,
    made,
  ),
  row("as plain text", post('{"name":"t.zip"}', { "content-type": "text/plain" }), 400, says.notLoaded),
  row("without a type", post('{"name":"t.zip"}', {}), 400, says.notLoaded),
  row("of an empty body in chunks", chunked(""), 400, says.notLoaded),
  row("of an empty body in chunks without a type", chunked("", {}), 400, says.notLoaded),
  ...whileBusy("of a name", create("t.zip")),
  ...whileBusy("of a bad name", create("!")),
  ...whileBusy("of broken JSON", post("{bad")),
  ...whileBusy("of a name that exists", create("test1.zip")),
  row("with a hook that fails before the file is made", hooked("fail"), 400, says.createFailed, {
    only: defaultVersion,
  }),
  row("with a hook that fails after the file was made", hooked("fail-late"), 400, says.createFailed, {
    after: ["hooked.zip"],
    relay: { differs: "create-observed", status: 204, body: () => {} },
  }),
  row("with a hook that makes the file under another name", hooked("rename"), 204, undefined, {
    only: previousVersion,
    after: ["renamed by hook.zip"],
    relay: { differs: "create-observed", status: 400, body: says.createFailed },
  }),
]);
