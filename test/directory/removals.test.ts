import { expect, it } from "vitest";
import { anInstance, call } from "../harness/worker.ts";

it("the removal of an instance leaves its row: who, when, from where", async () => {
  const { name } = await anInstance({}, { verify: false });
  const headers = { "user-agent": "curl/8\u202e" };
  const removed = await call(`/v1/instances/${name}?confirm=${name}`, { method: "DELETE", headers });
  expect(removed.status).toBe(204);
  const { json } = await call("/v1/audit/removals?limit=1");
  expect(json.items).toMatchObject([
    { instance: name, actor: "admin", address: "198.51.100.1", requestId: removed.headers.get("x-request-id") },
  ]);
  expect(Date.parse(json.items[0].at)).toBeGreaterThan(Date.now() - 60_000);
  expect(json.items[0].userAgent).not.toContain("\u202e");
  const another = await anInstance({}, { verify: false });
  const { key } = await another.mint({ scopes: ["audit:read"] });
  expect((await call("/v1/audit/removals", { as: key })).json.code).toBe("admin_only");
  await call(`/v1/instances/${another.name}?confirm=${another.name}`, { method: "DELETE" });
  const first = (await call("/v1/audit/removals?limit=1")).json;
  const second = (await call(`/v1/audit/removals?limit=1&cursor=${first.nextCursor}`)).json;
  expect([first.items[0].instance, second.items[0].instance]).toEqual([another.name, name]);
});
