import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import type { ApiKey, Holder } from "../../../src/access/key.ts";
import type { ResolvedCaller } from "../../../src/edge/resolve-caller.ts";
import type { Admitted, Credential } from "../../../src/instances/caller.ts";
import { type Command, type CommandAnswer, policies } from "../../../src/instances/commands.ts";
import type { KeyRequest } from "../../../src/instances/keys/minter.ts";
import type { Parts } from "../../../src/instances/parts.ts";
import type { Operation } from "../../../src/operations/operation.ts";
import { everyBackupScope } from "../../harness/key.ts";
import { anInstance, call, type TestInstance } from "../../harness/worker.ts";

const grant: Holder = { kind: "grant", id: "gr_1" };
const asked = { waitSeconds: 20, surface: "v1" as const, idempotency: null };
const create = (name: string): Command => ({ do: "backups.create", ...asked, name, unreadable: null });
const restore = (key: string): Command => ({
  do: "backups.restore",
  ...asked,
  waitSeconds: 0,
  key,
  safetyBackup: true,
});
const list: Command = { do: "backups.list" };

/** Rights for the holder, given by the administrator or by a key. */
function give(
  { stub }: TestInstance,
  request: Partial<KeyRequest> = {},
  { holder = grant, by }: { holder?: Holder; by?: string } = {},
): Promise<ReturnType<Parts["minter"]["mintHeld"]>> {
  return runInDurableObject(stub, (object) => {
    const { keys, minter } = (object as unknown as { parts: Parts }).parts;
    const lineage = by ? keys.lineage(by) : null;
    const actor = by ? { kind: "key", id: by } : { kind: "admin" };
    const scopes = everyBackupScope as KeyRequest["scopes"];
    return minter.mintHeld({ name: "ops", preset: null, scopes, ...request }, holder, { lineage, actor } as Admitted);
  });
}

async function given(...how: Parameters<typeof give>): Promise<ApiKey> {
  const key = await give(...how);
  if (!key.ok) throw new Error(key.error.code);
  return key.value;
}

/** One command over the object's RPC, as code of the relay sends it for a holder. */
async function as({ stub }: TestInstance, credential: Credential, command: Command): Promise<CommandAnswer["result"]> {
  const caller = { credential, address: null, userAgent: "chat", requestId: "request" };
  return ((await stub.perform(caller, command)) as CommandAnswer).result;
}
const held = ({ id }: { id: string }, holder = grant): Credential => ({ kind: "held", keyId: id, holder });
const codeOf = (result: CommandAnswer["result"]) => (result.ok ? "admitted" : result.error.code);
const value = <T>(result: CommandAnswer["result"]): T => {
  if (!result.ok) throw new Error(result.error.code);
  return result.value as T;
};

describe("rights that are held without a key text", () => {
  it("list and create, and the holder stands in audit, events and operations as a chat does", async () => {
    const instance = await anInstance();
    const key = await given(instance);
    const operation = value<Operation>(await as(instance, held(key), create("by-chat.zip")));
    expect(operation).toMatchObject({ state: "succeeded", actor: { kind: "chat", id: key.id, name: "ops" } });
    const listed = value<{ key: string }[]>(await as(instance, held(key), list));
    expect(listed.map((backup) => backup.key)).toEqual(["by-chat.zip"]);
    const read: Command = { do: "operations.read", id: operation.id, waitSeconds: 0 };
    expect(codeOf(await as(instance, held(key), read)), "its own operation").toBe("admitted");
    const audit = await instance.admin(`/v1/audit?actor=chat:${key.id}`);
    expect(audit.json.items).toMatchObject([{ action: "backups.create", verdict: "allowed" }]);
    const events = await instance.admin("/v1/events?type=backup.created");
    expect(events.json.items).toMatchObject([{ data: { actor: { kind: "chat", id: key.id, name: "ops" } } }]);
    const self = value(await as(instance, held(key), { do: "keys.self" }));
    expect(self).toMatchObject({ kind: "key", key: { id: key.id, holder: grant, uses: 4 } });
  });

  it.each([
    ["schedule", "schedule"],
    ["trust", "key"],
  ] as const)("of a %s act as a %s", async (kind, actor) => {
    const instance = await anInstance();
    const holder: Holder = { kind, id: "x" };
    const key = await given(instance, {}, { holder });
    const made = value<Operation>(await as(instance, held(key, holder), create("made.zip")));
    expect(made.actor).toMatchObject({ kind: actor, id: key.id });
  });

  it("reach no further than their scopes and patterns, and are denied by name", async () => {
    const instance = await anInstance();
    const key = await given(instance, { scopes: ["backups:create", "backups:delete"], patterns: ["chat-*"] });
    expect(codeOf(await as(instance, held(key), list))).toBe("scope_missing");
    expect(codeOf(await as(instance, held(key), create("other.zip")))).toBe("pattern_refused");
    expect(codeOf(await as(instance, held(key), { do: "backups.delete", ...asked, key: "other.zip" }))).toBe(
      "backup_not_found",
    );
    expect(codeOf(await as(instance, held(key), create("chat-1.zip")))).toBe("admitted");
    expect(codeOf(await as(instance, held(key), { do: "instance.read" }))).toBe("admin_only");
    const audit = await instance.admin("/v1/audit?verdict=denied");
    expect(new Set(audit.json.items.map((item: { actor: string }) => item.actor))).toEqual(new Set([`chat:${key.id}`]));
  });

  it("spend their quota and that of the key above", async () => {
    const instance = await anInstance();
    const parent = await instance.mint({ scopes: ["backups:create"], quotas: { "backups:create": 2 } });
    const key = await given(
      instance,
      { scopes: ["backups:create"], quotas: { "backups:create": 1 } },
      { by: parent.id },
    );
    expect(codeOf(await as(instance, held(key), create("one.zip")))).toBe("admitted");
    expect(codeOf(await as(instance, held(key), create("two.zip")))).toBe("quota_exhausted");
    const byParent = (name: string) => call("/v1/backups", { as: parent.key, body: { name } });
    expect((await byParent("two.zip")).status).toBe(202);
    expect((await byParent("three.zip")).json.code).toBe("quota_exhausted");
  });

  it("end at once with the key above, when they are disabled and when they are deleted", async () => {
    const instance = await anInstance();
    const parent = await instance.mint();
    const first = await given(instance, {}, { by: parent.id });
    const second = await given(instance);
    const patch = (id: string, body: unknown) => instance.admin(`/v1/keys/${id}`, { method: "PATCH", body });
    await patch(parent.id, { disabled: true });
    expect(codeOf(await as(instance, held(first), list))).toBe("unauthenticated");
    await patch(parent.id, { disabled: false });
    expect(codeOf(await as(instance, held(first), list))).toBe("admitted");
    await patch(second.id, { disabled: true });
    expect(codeOf(await as(instance, held(second), list))).toBe("unauthenticated");
    await instance.kill();
    expect((await call(`/v1/keys/${first.id}`, { method: "DELETE", instance: instance.name })).status).toBe(204);
    expect(codeOf(await as(instance, held(first), list))).toBe("unauthenticated");
    expect((await instance.admin("/v1/events?type=key.revoked")).json.items).toHaveLength(3);
  });

  it("have no secret to rotate, and say in answers and events what holds them, as keys do not", async () => {
    const instance = await anInstance();
    const plain = await instance.mint();
    const key = await given(instance);
    const rotated = await instance.admin(`/v1/keys/${key.id}/rotate`, { method: "POST" });
    expect([rotated.status, rotated.json.code]).toEqual([409, "key_has_no_text"]);
    const shown = await instance.admin(`/v1/keys/${key.id}`);
    expect(shown.json).toMatchObject({ id: key.id, holder: grant });
    expect(Object.keys(shown.json)).not.toContain("digest");
    expect(Object.keys((await instance.admin(`/v1/keys/${plain.id}`)).json)).not.toContain("holder");
    const { items } = (await instance.admin("/v1/events?type=key.created")).json;
    expect(items.map((item: { data: { holder?: Holder } }) => item.data.holder)).toEqual([undefined, grant]);
  });

  it("wait for another principal where they need a yes", async () => {
    const instance = await anInstance();
    await instance.fake.make("a.zip");
    const approver = { scopes: ["operations:approve", "operations:read"] };
    const same = await instance.mint({ ...approver, principal: "chat team" });
    const other = await instance.mint({ ...approver, principal: "boss" });
    const key = await given(instance, { approval: ["backups:restore"], principal: "chat team" });
    const waits = value<Operation>(await as(instance, held(key), restore("a.zip")));
    expect(waits).toMatchObject({ state: "awaiting_approval", actor: { principal: "chat team" } });
    const approve = (by: string) => call(`/v1/operations/${waits.id}/approve`, { method: "POST", as: by });
    expect((await approve(same.key)).json.code).toBe("approval_own");
    expect((await approve(other.key)).status).toBeLessThan(300);
  });

  it("of a chat identity that nobody named may ask, but not decide", async () => {
    const instance = await anInstance();
    await instance.fake.make("a.zip");
    const asker = await instance.mint({ approval: ["backups:restore"] });
    const scopes: KeyRequest["scopes"] = ["operations:approve", "operations:read"];
    const unnamed = await given(instance, { scopes });
    const named = await given(instance, { scopes, principal: "chat team" });
    const waits = await call("/v1/backups/a.zip/restore", { as: asker.key, body: {} });
    expect(waits.json.state).toBe("awaiting_approval");
    const approve: Command = { do: "operations.approve", id: waits.json.id };
    expect(codeOf(await as(instance, held(unnamed), approve))).toBe("approval_own");
    expect(codeOf(await as(instance, held(named), approve))).toBe("admitted");
  });

  it("are given within the giver's own rights, three deep at most", async () => {
    const instance = await anInstance();
    const root = await instance.mint({ scopes: ["backups:list", "keys:write"] });
    const within = (request: Partial<KeyRequest>, by: string) => give(instance, request, { by });
    expect(await within({ scopes: ["backups:create"] }, root.id)).toMatchObject({ error: { code: "rights_exceeded" } });
    expect(await within({ scopes: ["backups:list"], principal: "me" }, root.id)).toMatchObject({
      error: { code: "invalid_request", data: { principal: {} } },
    });
    const child = await instance.mint({ scopes: ["backups:list", "keys:write"] }, root.key);
    const leaf = await instance.mint({ scopes: ["backups:list"] }, child.key);
    expect(await within({ scopes: ["backups:list"] }, leaf.id)).toMatchObject({ error: { code: "lineage_too_deep" } });
    expect(await given(instance, { scopes: ["backups:list"] }, { by: child.id })).toMatchObject({
      parent: child.id,
      principal: root.id,
      createdBy: `key:${child.id}`,
    });
  });
});

describe("a held credential", () => {
  it("is worth nothing to anything but the row's own holder", async () => {
    const instance = await anInstance();
    const key = await given(instance);
    const plain = await instance.mint();
    const wrong: Credential[] = [
      held(key, { kind: "grant", id: "gr_2" }),
      held(key, { kind: "trust", id: "gr_1" }),
      held(plain),
      held({ id: "nobody0000" }),
      { kind: "key", keyId: key.id, digest: "" },
      { kind: "key", keyId: key.id, digest: "null" },
      { kind: "key", keyId: key.id, digest: null as unknown as string },
    ];
    for (const credential of wrong)
      expect(codeOf(await as(instance, credential, list)), JSON.stringify(credential)).toBe("unauthenticated");
    expect(codeOf(await as(instance, held(key), list))).toBe("admitted");
  });

  it("gets no secret to act with: it is refused wherever one is answered, and nowhere else", async () => {
    const refused = Object.entries(policies)
      .filter(([, { credentials }]) => credentials && !credentials.includes("held"))
      .map(([name]) => name);
    expect(refused.toSorted()).toEqual([
      "keys.create",
      "keys.rotate",
      "session.create",
      "session.refresh",
      "ticket.create",
      "webhooks.change",
      "webhooks.create",
      "webhooks.rotate",
    ]);
    const instance = await anInstance();
    const key = await given(instance);
    for (const name of refused)
      expect(codeOf(await as(instance, held(key), { do: name } as Command))).toBe("credential_refused");
  });

  it("cannot be made by a request: not by its header, its token, its login or its body", async () => {
    expectTypeOf<ResolvedCaller["caller"]["credential"]["kind"]>().toEqualTypeOf<
      "admin" | "key" | "session" | "ticket"
    >();
    const instance = await anInstance();
    const key = await given(instance);
    const credential = held(key);
    const base64 = (part: unknown) => btoa(JSON.stringify(part)).replace(/=+$/, "");
    const ins = (await instance.mint()).key.slice(4, 18);
    const claims = [
      { ...credential, ins, type: "held", id: key.id },
      { ...credential, ins, type: "auth", id: key.id, gen: 1, login: 0, iat: 0, exp: 9_999_999_999 },
    ];
    const texts = [
      JSON.stringify(credential),
      `held:${key.id}:gr_1`,
      key.id,
      grant.id,
      ...claims.map((claim) => `${base64({ alg: "none" })}.${base64(claim)}.${base64("x")}`),
      ...fc.sample(fc.stringMatching(/^(brk_|held )?[0-9A-Za-z]{1,70}$/), 20),
    ];
    let last = 0;
    for (const text of texts) {
      const address = `192.0.2.${++last}`;
      const header = await call("/api/backups", { as: text, address, headers: { "relay-instance": instance.name } });
      expect(header.status, text).toBe(401);
      const ticket = await call(`/api/backups/a.zip?token=${encodeURIComponent(text)}`, { as: null, address });
      expect(ticket.status, text).toBe(403);
      const login = "/api/collections/_superusers/auth-with-password";
      const body = { identity: key.id, password: text, ...credential };
      expect((await call(login, { as: null, body, address })).status, text).toBe(400);
    }
    const body = { name: "x", preset: "robot", holder: grant, credential };
    expect((await instance.admin("/v1/keys", { body })).json).toMatchObject({ code: "invalid_request" });
  });
});
