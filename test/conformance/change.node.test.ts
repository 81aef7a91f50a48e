import { describe, expect, it, vi } from "vitest";
import { type Act, conformance, difference, fourBackups, row, type Stages } from "../harness/conformance/rows.ts";
import { type Side, type Stage, versions, type Who } from "../harness/conformance/sides.ts";
import { admin } from "../harness/relay-client.ts";
import * as says from "./answers.ts";

const remove =
  (key: string): Act =>
  (side) =>
    side.superuser.call((pb) => pb.backups.delete(key));
const restore =
  (key: string): Act =>
  (side) =>
    side.superuser.call((pb) => pb.backups.restore(key));
const raw =
  (method: "DELETE" | "POST", path: string, as: Who | undefined = "S", body?: string): Act =>
  (side) =>
    side.raw(method, `/api/backups/${path}`, { as, headers: body ? { "content-type": "application/json" } : {}, body });
const asGuest =
  (method: "DELETE" | "POST", path: string): Act =>
  (side) =>
    side.raw(method, `/api/backups/${path}`);

const without = (...gone: string[]) => ({ after: fourBackups.filter((name) => !gone.includes(name)) });
const held = (name: string, by: "direct" | "relay" = "direct") => ({ lock: { name, by } });
const odd = "é 日本 a#b?c%;&+|'.zip";
const automatic = "@auto_pb_backup_acme_20260519162557.zip";
const gone = { differs: "replaced-texts", message: "Invalid or already deleted backup file." };
const dots = { differs: "dot-names", status: 400, body: says.wentWrong };
const noKey = { differs: "keys", status: 404, body: says.noRoute };

conformance({ call: "delete", missingScope: "backups:delete", given: fourBackups }, [
  row("30 without a credential", asGuest("DELETE", "test1.zip"), 401, says.unauthorized),
  row("31 as U", raw("DELETE", "test1.zip", "U"), 403, says.forbidden),
  row("32 of a missing backup", remove("missing.zip"), 400, undefined, { relay: gone }),
  row("33 of the one that is being made", remove("test1.zip"), 400, says.inUse, held("test1.zip")),
  row("34 of another", remove("test1.zip"), 204, undefined, { ...held("new.zip"), ...without("test1.zip") }),
  row("35 of an encoded @", raw("DELETE", "%40test4.zip"), 204, undefined, without("@test4.zip")),
  row("of a raw @", raw("DELETE", "@test4.zip"), 204, undefined, without("@test4.zip")),
  row("of a backup", remove("test2.zip"), 204, undefined, without("test2.zip")),
  row(
    "with a JSON body, as Dart and Elixir send it",
    raw("DELETE", "test2.zip", "S", "{}"),
    204,
    undefined,
    without("test2.zip"),
  ),
  row("with a query", raw("DELETE", "test2.zip?q1=123"), 204, undefined, without("test2.zip")),
  row("of a name with every awkward character", remove(odd), 204, undefined, { given: [odd], after: [] }),
  row("of an automatic backup", remove(automatic), 204, undefined, { given: [automatic], after: [] }),
  row("of the one that the relay is making", remove("test1.zip"), 400, says.inUse, held("test1.zip", "relay")),
  row("of another than the relay is making", remove("test1.zip"), 204, undefined, {
    ...held("new.zip", "relay"),
    ...without("test1.zip"),
  }),
  // A name that no row before it made: one that the relay listed before is asked of the server.
  row("of one that is being made and not listed yet", remove("unlisted.zip"), 400, says.inUse, {
    ...held("unlisted.zip"),
    relay: { differs: "delete-while-made", message: gone.message },
  }),
  row("of one that the relay is making, not listed yet", remove("new.zip"), 400, says.inUse, held("new.zip", "relay")),
  row("of two dots", raw("DELETE", ".."), 307, undefined, { relay: dots }),
  row("of two encoded dots", raw("DELETE", "%2e%2e"), 400, undefined, { relay: dots }),
  row("of an encoded slash", raw("DELETE", "a%2Fb.zip"), 400, undefined, { relay: noKey }),
  row("of an encoded way out", raw("DELETE", "..%2Fdata.db"), 400, undefined, { relay: noKey }),
  row("of the server's own side file", raw("DELETE", "test1.zip.attrs"), 400, undefined, {
    relay: { differs: "keys", body: says.wentWrong },
  }),
]);

conformance(
  { call: "restore", missingScope: "backups:restore", given: fourBackups },
  [
    row("36 without a credential", asGuest("POST", "test1.zip/restore"), 401, says.unauthorized),
    row("37 as U", raw("POST", "test1.zip/restore", "U"), 403, says.forbidden),
    row("38 of a missing backup", restore("missing.zip"), 400, says.missingBackup),
    row("39 while a create without a name runs", restore("test1.zip"), 400, says.busy, held("")),
    row("of a missing backup while a create runs", restore("missing.zip"), 400, says.busy, held("new.zip")),
    row("while the relay makes a backup", restore("test1.zip"), 400, says.busy, held("new.zip", "relay")),
    row(
      "with a JSON body, as Dart and Elixir send it",
      raw("POST", "missing.zip/restore", "S", "{}"),
      400,
      says.missingBackup,
    ),
    row("of two encoded dots", raw("POST", "%2e%2e/restore"), 400, says.missingBackup, { relay: dots }),
    row("of an encoded slash", raw("POST", "a%2Fb.zip/restore"), 400, says.missingBackup, { relay: noKey }),
  ],
  (stageOf) => {
    describe("done for real", () => {
      for (const version of versions)
        describe(`PocketBase ${version}`, { concurrent: true }, () => {
          describe("brings the data back", { concurrent: false }, () => restoring(version, stageOf));
        });
    });
  },
);

/** Makes a backup and a user that it does not hold, restores it, and waits until that user is gone. */
async function restoredBy(side: Side, stage: Stage, meanwhile = async () => {}): Promise<void> {
  const users = stage.direct.superuser.pb.collection("users");
  await side.superuser.pb.backups.create("before.zip");
  const later = await users.create({
    email: "later@example.com",
    password: "only-a-user-1",
    passwordConfirm: "only-a-user-1",
  });
  expect(await side.superuser.pb.backups.restore("before.zip")).toBe(true);
  await meanwhile();
  // A server that restarts gives no answer at all.
  const gone = () =>
    users.getOne(later.id).then(
      () => false,
      (error) => error.status === 404,
    );
  await vi.waitUntil(gone, { timeout: 40_000, interval: 50 });
}

function restoring(version: string, stageOf: Stages): void {
  it("on the server itself", async () => {
    const stage = stageOf(version);
    await stage.store.reset([]);
    await restoredBy(stage.direct, stage);
    expect(await stage.store.names()).toEqual(["before.zip"]);
  });

  difference("restore-alone", "through the relay, and nothing else is done until then", async () => {
    const stage = stageOf(version);
    await stage.store.reset([]);
    const { backups } = stage.behind.superuser.pb;
    await restoredBy(stage.behind, stage, async () => {
      await expect(backups.create("next.zip")).rejects.toMatchObject({ response: says.busy });
      await expect(backups.restore("before.zip")).rejects.toMatchObject({ response: says.busy });
      await expect(backups.delete("before.zip")).rejects.toMatchObject({ response: says.inUse });
    });
    const stored = await stage.store.names();
    expect(stored).toEqual(["before.zip", expect.stringMatching(/^pre_restore_\w+\.zip$/)]);
    expect(await lastRestore(stage)).toMatchObject({
      state: "succeeded",
      steps: expect.arrayContaining([expect.objectContaining({ name: "safety", detail: stored[1] })]),
    });
  });
}

/** The relay's own account of it, when it is over. */
async function lastRestore(stage: Stage): Promise<unknown> {
  const ask = async (path: string) => (await admin(stage.relay, path, { instance: stage.instance })).json();
  const { items } = (await ask("/v1/operations?kind=restore")) as { items: { id: string }[] };
  return ask(`/v1/operations/${items[0]!.id}?wait=25`);
}
