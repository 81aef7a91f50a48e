import { expect, it } from "vitest";
import { parseKeyText } from "../../src/access/token.ts";
import type { Credential } from "../../src/instances/caller.ts";
import type { Command, CommandAnswer } from "../../src/instances/commands.ts";
import { anInstance, call, rows, type TestInstance, tablesOf } from "../harness/worker.ts";

const read = async ({ stub }: TestInstance, credential: Credential, command: Command) => {
  const caller = { credential, address: null, userAgent: "test", requestId: "request" };
  const { result } = (await stub.read(caller, command)) as unknown as CommandAnswer;
  return result.ok ? "ok" : result.error.code;
};
const keyCredential = async (text: string): Promise<Credential> => {
  const parsed = parseKeyText(text)!;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return { kind: "key", keyId: parsed.keyId, digest: Buffer.from(digest).toString("hex") };
};

it("a read without room keeps nothing, whoever asks, and nothing else is done", async () => {
  const instance = await anInstance({}, { verify: false });
  await instance.fake.make("a.zip");
  const { key } = await instance.mint({ preset: "owner" });
  const stored = async () => {
    const tables = (await tablesOf(instance.id)).toSorted();
    return Promise.all(tables.map(async (table) => [table, await rows(instance.stub, `SELECT * FROM ${table}`)]));
  };
  const before = await stored();
  const page = { limit: 10, cursor: null, sort: "-modified" } as const;
  for (const credential of [{ kind: "admin" } as const, await keyCredential(key)]) {
    expect(await read(instance, credential, { do: "backups.list" })).toBe("ok");
    expect(await read(instance, credential, { do: "backups.page", ...page } as Command)).toBe("ok");
    expect(await read(instance, credential, { do: "keys.delete", id: "none" } as Command)).toBe("storage_full");
  }
  expect(await read(instance, { kind: "admin" }, { do: "instance.read" })).toBe("ok");
  expect(await stored()).toEqual(before);
});

it("a key that is deleted reads nothing any more, also without room", async () => {
  const instance = await anInstance({}, { verify: false });
  const { id, key } = await instance.mint({ preset: "owner" });
  const credential = await keyCredential(key);
  expect(await read(instance, credential, { do: "backups.list" })).toBe("ok");
  expect((await call(`/v1/keys/${id}`, { method: "DELETE", instance: instance.name })).status).toBe(204);
  expect(await read(instance, credential, { do: "backups.list" })).toBe("unauthenticated");
});
