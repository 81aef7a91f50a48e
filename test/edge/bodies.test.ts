import { expect, it, vi } from "vitest";
import { buildApp } from "../../src/app.ts";
import { anInstance, bindings, call } from "../harness/worker.ts";

const many = `{"name":"a.zip","more":[${"{},".repeat(15_000)}{}]}`;

it("a body is neither read nor parsed before its sender's credential was found to live", async () => {
  const { mint, admin } = await anInstance();
  const { id, key } = await mint();
  const login = await call("/api/collections/_superusers/auth-with-password", {
    as: null,
    body: { identity: "any", password: key },
  });
  const forged = `${login.json.token}x`;
  await admin(`/v1/keys/${id}`, { method: "PATCH", body: { disabled: true } });
  const parse = vi.spyOn(JSON, "parse");
  const text = vi.spyOn(Request.prototype, "text");
  for (const as of [forged, key, null])
    for (const [method, path] of [
      ["POST", "/api/backups"],
      ["POST", "/v1/backups"],
      ["POST", "/v1/keys"],
      ["POST", "/v1/instances"],
      ["POST", "/v1/backups/a.zip/restore"],
      ["DELETE", "/v1/backups/a.zip"],
      ["POST", "/v1/operations/op_x/undo"],
    ] as const) {
      const headers = { "idempotency-key": `"a-key-of-its-own"` };
      const answer = await call(path, { method, as, body: many, address: "203.0.113.77", headers });
      expect([answer.status, path]).toEqual([401, path]);
    }
  const parsed = parse.mock.calls.filter(([given]) => typeof given === "string" && given.startsWith(many.slice(0, 30)));
  expect(parsed).toEqual([]);
  expect(text).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

it("the body of a create has at most 64 KiB, whoever sends it", async () => {
  const { mint } = await anInstance();
  const { key } = await mint();
  const large = `{"name":"a.zip","more":"${"x".repeat(64 << 10)}"}`;
  const refused = await call("/api/backups", { as: key, body: large });
  expect([refused.status, refused.json.code]).toEqual([413, "body_too_large"]);
  expect((await call("/api/backups", { as: key, body: { name: "a.zip" } })).status).toBe(204);
});

it("a body costs no request of the key's rate", async () => {
  const { mint } = await anInstance();
  const { key } = await mint({ ratePerMinute: 2 });
  const statuses: number[] = [];
  for (const name of ["a.zip", "b.zip", "c.zip"])
    statuses.push((await call("/api/backups", { as: key, body: { name } })).status);
  expect(statuses).toEqual([204, 204, 429]);
});

it("the documents for everybody are made once, not for each request", async () => {
  const app = buildApp();
  const make = vi.spyOn(app, "getOpenAPI31Document");
  for (const path of ["/openapi.json", "/docs", "/openapi.json", "/docs", "/docs"])
    expect((await app.request(path, {}, bindings)).status).toBe(200);
  expect(make).toHaveBeenCalledTimes(1);
  vi.restoreAllMocks();
});
