import type { Hono } from "hono";
import { backupKeyIn } from "../access/backup-name.ts";
import { ask, perform } from "../edge/ask.ts";
import type { AppContext, AppEnv } from "../edge/context.ts";
import { refuse } from "../edge/context.ts";
import { downloadBackup } from "../edge/download.ts";
import { resolveCaller } from "../edge/resolve-caller.ts";
import { uploadBackup } from "../edge/upload.ts";
import { isFinal, outcome } from "../operations/operation.ts";
import { preflightOver } from "../operations/restore-preflight.ts";
import { requestedName } from "./create-body.ts";
import { pickFields } from "./fields.ts";

/** SDKs and proxies wait about this long for a create; after that they are told where to look. */
const CREATE_WAIT_SECONDS = 100;
const SHORT_WAIT_SECONDS = 60;

/** PocketBase's six backup calls, to the letter (upstream: apis/backup.go); what differs stands in docs/drop-in.md. */
export function mountBackups(app: Hono<AppEnv>): void {
  app.get("/api/backups", async (c) => {
    const listed = await ask(c, { do: "backups.list" });
    return listed.ok ? c.json(pickFields(listed.value, c.req.query("fields"))) : refuse(c, listed.error);
  });

  app.post("/api/backups", async (c) => {
    const resolved = await resolveCaller(c);
    if (!resolved.ok) return refuse(c, resolved.error);
    const name = await requestedName(c.req.raw);
    const created = await perform(c, resolved.value, {
      do: "backups.create",
      name: name.ok ? name.value : null,
      unreadable: name.ok ? null : name.error,
      ...asked(CREATE_WAIT_SECONDS),
    });
    if (!created.ok) return refuse(c, created.error);
    if (!isFinal(created.value)) return stillBeingMade(c, created.value.id);
    const ended = outcome(created.value);
    return ended.ok ? c.body(null, 204) : refuse(c, ended.error);
  });

  app.post("/api/backups/upload", uploadBackup);

  app.on(["GET", "HEAD"], "/api/backups/:key", downloadBackup);

  app.delete("/api/backups/:key", async (c) => {
    const key = backupKeyIn(c.req.url);
    const resolved = await resolveCaller(c);
    if (!resolved.ok) return refuse(c, resolved.error);
    if (!key.ok) return refuse(c, key.error);
    const deleted = await perform(c, resolved.value, {
      do: "backups.delete",
      key: key.value,
      ...asked(SHORT_WAIT_SECONDS),
    });
    if (!deleted.ok) return refuse(c, deleted.error);
    const ended = outcome(deleted.value);
    return ended.ok ? c.body(null, 204) : refuse(c, ended.error);
  });

  app.post("/api/backups/:key/restore", async (c) => {
    const key = backupKeyIn(c.req.url);
    const resolved = await resolveCaller(c);
    if (!resolved.ok) return refuse(c, resolved.error);
    if (!key.ok) return refuse(c, key.error);
    const restored = await perform(c, resolved.value, {
      do: "backups.restore",
      key: key.value,
      safetyBackup: true,
      ...asked(SHORT_WAIT_SECONDS),
    });
    if (!restored.ok) return refuse(c, restored.error);
    if (!isFinal(restored.value) && preflightOver(restored.value)) return c.body(null, 204);
    const ended = outcome(restored.value);
    return ended.ok ? c.body(null, 204) : refuse(c, ended.error);
  });
}

/** The drop-in surface knows neither a queue nor idempotency keys. */
const asked = (waitSeconds: number) => ({ waitSeconds, surface: "api" as const, idempotency: null });

/** The one answer on `/api` for work that goes on: a slow create is no failure, and asking again would be refused. */
function stillBeingMade(c: AppContext, id: string): Response {
  c.header("location", `/v1/operations/${id}`);
  c.header("retry-after", "5");
  return c.json(
    { operation: id, hint: "The server is still making the backup; the operation tells how it ends." },
    202,
  );
}
