import { z } from "@hono/zod-openapi";
import { backupKeyIn } from "../access/backup-name.ts";
import { PreflightSchema } from "../archive/preflight.ts";
import { ask } from "../edge/ask.ts";
import { refuse } from "../edge/context.ts";
import { downloadKey } from "../edge/download.ts";
import { uploadRaw } from "../edge/upload.ts";
import { BackupSchema, backupOrders } from "../instances/backups/view.ts";
import { isFinal, outcome } from "../operations/operation.ts";
import { accepted, OperationSchema } from "./operations.ts";
import { requestOptions } from "./request-options.ts";
import { page, pageQuery, type Relay, route, serve } from "./route.ts";

const oneKey = z.object({ key: z.string() });
const newest = z.strictObject({
  pattern: z.string().min(1).max(160).optional(),
  maxAgeSeconds: z.coerce.number().int().min(1).optional(),
});

const list = route({
  method: "get",
  path: "/v1/backups",
  tag: "Backups",
  summary: "List the backups the caller may see",
  scope: "backups:list",
  query: z.strictObject({ ...pageQuery, sort: z.enum(backupOrders).default("-modified") }),
  answers: { 200: { description: "One page.", schema: page(BackupSchema) } },
});
const latest = route({
  method: "get",
  path: "/v1/backups/latest",
  tag: "Backups",
  summary: "The newest backup; 503 when it is older than maxAgeSeconds, for uptime monitors",
  scope: "backups:list",
  query: newest,
  answers: { 200: { description: "The newest one.", schema: BackupSchema } },
});
const latestContent = route({
  method: "get",
  path: "/v1/backups/latest/content",
  tag: "Backups",
  summary: "Download the newest backup",
  scope: "backups:download",
  query: newest,
  answers: { 200: { description: "The archive." }, 206: { description: "A range of it." } },
});
const put = route({
  method: "put",
  path: "/v1/backups/{key}",
  tag: "Backups",
  summary: "Upload a ZIP as the raw body, with Content-Length (curl -T)",
  scope: "backups:upload",
  params: oneKey,
  answers: { 201: { description: "Stored, and listed with the size that was sent.", schema: BackupSchema } },
});
const create = route({
  method: "post",
  path: "/v1/backups",
  tag: "Backups",
  summary: "Make a backup; answers at once with the operation",
  scope: "backups:create",
  idempotent: true,
  body: z.strictObject({ name: z.string().min(1).max(150).optional() }).optional(),
  bodyOptional: true,
  answers: { 202: { description: "Queued or running; Location leads to it.", schema: OperationSchema } },
});
const restore = route({
  method: "post",
  path: "/v1/backups/{key}/restore",
  tag: "Backups",
  summary: "Restore a backup: preflight, safety backup, restore, and watching until it is known how it ended",
  scope: "backups:restore",
  idempotent: true,
  params: oneKey,
  body: z
    .strictObject({
      dryRun: z.boolean().default(false).describe("Answer the preflight alone; nothing is done."),
      safetyBackup: z.boolean().default(true).describe("false needs the scope backups:restore-unsafe."),
    })
    .optional(),
  bodyOptional: true,
  answers: {
    200: { description: "With dryRun: the preflight.", schema: PreflightSchema },
    202: { description: "Queued, running or waiting for an approval.", schema: OperationSchema },
  },
});
const remove = route({
  method: "delete",
  path: "/v1/backups/{key}",
  tag: "Backups",
  summary: "Delete a backup",
  scope: "backups:delete",
  idempotent: true,
  params: oneKey,
  answers: {
    202: { description: "Not settled yet: see the operation.", schema: OperationSchema },
    204: { description: "Deleted." },
  },
});

export function mountBackupViews(app: Relay): void {
  serve(app, list, async (c, input) => {
    const { limit, cursor, sort } = input.query;
    const listed = await ask(c, { do: "backups.page", limit, cursor: cursor ?? null, sort });
    return listed.ok ? c.json(listed.value, 200) : refuse(c, listed.error);
  });
  serve(app, latest, async (c, input) => {
    const { pattern, maxAgeSeconds } = input.query;
    const found = await ask(c, {
      do: "backups.latest",
      pattern: pattern ?? null,
      maxAgeSeconds: maxAgeSeconds ?? null,
    });
    return found.ok ? c.json(found.value, 200) : refuse(c, found.error);
  });
  serve(app, latestContent, async (c, input) => {
    const { pattern, maxAgeSeconds } = input.query;
    const found = await ask(c, {
      do: "download.latest",
      pattern: pattern ?? null,
      maxAgeSeconds: maxAgeSeconds ?? null,
    });
    return found.ok ? downloadKey(c, found.value.key) : refuse(c, found.error);
  });
  serve(app, put, async (c) => uploadRaw(c, backupKeyIn(c.req.url)));
  serve(app, create, async (c, input) => {
    const name = input.body?.name ?? null;
    const asked = await requestOptions(c, 0);
    if (!asked.ok) return refuse(c, asked.error);
    const created = await ask(c, { do: "backups.create", ...asked.value, name, unreadable: null });
    return created.ok ? accepted(c, created.value) : refuse(c, created.error);
  });
  serve(app, restore, async (c, input) => {
    const key = backupKeyIn(c.req.url);
    if (!key.ok) return refuse(c, key.error);
    // Without a body nothing has filled the defaults in.
    const { dryRun = false, safetyBackup = true } = input.body ?? {};
    if (dryRun) {
      const looked = await ask(c, { do: "backups.preflight", key: key.value });
      return looked.ok ? c.json(looked.value, 200) : refuse(c, looked.error);
    }
    const asked = await requestOptions(c, 0);
    if (!asked.ok) return refuse(c, asked.error);
    const restored = await ask(c, { do: "backups.restore", ...asked.value, key: key.value, safetyBackup });
    return restored.ok ? accepted(c, restored.value) : refuse(c, restored.error);
  });
  serve(app, remove, async (c) => {
    const key = backupKeyIn(c.req.url);
    if (!key.ok) return refuse(c, key.error);
    const asked = await requestOptions(c, DELETE_WAIT_SECONDS);
    if (!asked.ok) return refuse(c, asked.error);
    const deleted = await ask(c, { do: "backups.delete", ...asked.value, key: key.value });
    if (!deleted.ok) return refuse(c, deleted.error);
    if (!isFinal(deleted.value)) return accepted(c, deleted.value);
    const ended = outcome(deleted.value);
    return ended.ok ? c.body(null, 204) : refuse(c, ended.error);
  });
}

/** Deletions are quick; what takes longer is answered with its operation. */
const DELETE_WAIT_SECONDS = 60;
