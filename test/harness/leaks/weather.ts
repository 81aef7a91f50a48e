import { randomBytes } from "node:crypto";
import type { Fault } from "../fake/faults.ts";
import type { FakeServer } from "../fake/server.ts";
import { startFake } from "../fake/server.ts";
import { jsonBody, mint, register, type Stage } from "./run.ts";
import { everyScope } from "./strangers.ts";
import { archive, form } from "./transfers.ts";

/** Servers that break, and servers that tell everything: each behind an instance of its own, asked for everything. */
export function troubles(stage: Stage, server: FakeServer): Record<string, Fault[]> {
  const words = () => stage.caller.keep("upstream words", `hush${randomBytes(12).toString("hex")}`);
  const telltale = (more: Partial<Fault>) => [{ kind: "telltale", words: words(), ...more } as Fault];
  const token = server.fake.accounts.issue("file", "superuser", 180);
  return {
    "tells-json": telltale({ status: 400 } as Fault),
    "tells-fields": telltale({ status: 400, form: "fields" } as Fault),
    "tells-in-forms": telltale({ status: 400, form: "fields", on: ["create", "upload"] } as Fault),
    "tells-xml": telltale({ status: 500, form: "xml" } as Fault),
    "tells-html": telltale({ status: 403, form: "html" } as Fault),
    "tells-unauthorized": telltale({ status: 401 } as Fault),
    "tells-in-headers": telltale({}),
    "tells-files": telltale({ status: 400, form: "xml", on: "download" } as Fault),
    "tells-changes": telltale({ status: 400, on: ["create", "upload", "delete", "restore"] } as Fault),
    "tells-logins": telltale({ status: 400, on: ["login", "refresh", "fileToken"] } as Fault),
    "tells-looks": telltale({ status: 404, on: ["logs", "settings", "canary", "health"] } as Fault),
    redirects: [{ kind: "redirect", to: stage.receiver.url(`/followed?token=${token}`) }],
    "html-502": [{ kind: "html", status: 502 }],
    "html-works": [{ kind: "html", status: 524, worked: true, on: ["create", "delete", "upload"] }],
    "broken-json": [{ kind: "invalidJson" }],
    "s3-down": [{ kind: "s3Down" }],
    resets: [{ kind: "reset", on: ["create", "upload", "download", "delete"] }],
    "dead-token": [{ kind: "deadToken" }],
    "failed-create": [{ kind: "failedCreate", details: `open /srv/pb/pb_data: ${token} ${words()}`, on: "create" }],
  };
}

/**
 * Opens the instance in fair weather and asks it for everything in bad; for one of the two calls that take a while to be
 * settled, so that two of them side by side ask for both. The server is the caller's to stop.
 */
export async function inTrouble(stage: Stage, name: string, faults: Fault[], deletes: boolean): Promise<FakeServer> {
  const { caller, admin } = stage;
  const server = await startFake({ pace: { log: 50 } });
  const { fake } = server;
  await fake.make("kept.zip", Date.now() - 60_000);
  await fake.put("spare.zip", archive, Date.now() - 60_000);
  const here: Stage = { ...stage, server };
  await register(here, name);
  const { key: auth } = await mint(here, name, { scopes: everyScope, quotas: {} });
  await caller.call("GET", "/api/backups", { auth });
  fake.faults.add(...faults);
  await caller.call("GET", "/api/backups/kept.zip", { auth });
  fake.revokeTokens();
  for (const path of ["/api/backups", "/v1/backups", "/api/health", "/api/backups/kept.zip"])
    await caller.call("GET", path, { auth });
  await caller.call("HEAD", "/api/backups/spare.zip", { auth });
  if (deletes) await caller.call("DELETE", "/api/backups/spare.zip", { auth });
  else await caller.call("POST", "/api/backups", { auth, ...jsonBody({ name: "new.zip" }) });
  await caller.call("POST", "/api/backups/upload", { auth, ...form("new2.zip", archive) });
  await caller.call("PUT", "/v1/backups/new3.zip", { auth, body: archive });
  await caller.call("POST", "/v1/backups/kept.zip/restore", { auth, ...jsonBody({ dryRun: true }) });
  await caller.call("POST", "/api/backups/kept.zip/restore", { auth });
  await caller.call("POST", `/v1/instances/${name}/check`, { auth: admin });
  const { email, password } = fake;
  const again = { name: `${name}-again`, url: server.url, credential: { email, password } };
  await caller.call("POST", "/v1/instances", { auth: admin, ...jsonBody(again) });
  for (const path of ["/v1/operations", "/v1/events?limit=200", "/v1/audit?limit=200", `/v1/instances/${name}`])
    await caller.call("GET", path, { auth: path.includes("instances") ? admin : auth });
  return server;
}
