import { z } from "@hono/zod-openapi";
import { backupKeyIn } from "../access/backup-name.ts";
import { PreflightSchema } from "../archive/preflight.ts";
import { refuse } from "../edge/context.ts";
import { downloadFound } from "../edge/download.ts";
import { uploadRaw } from "../edge/upload.ts";
import { BackupSchema, backupOrders, LatestBackupSchema } from "../instances/backups/view.ts";
import { isFinal, outcome } from "../operations/operation.ts";
import { accepted, OperationSchema } from "./operation-view.ts";
import { orNull, pageQuery, pageSchema } from "./page.ts";
import { requestOptions } from "./request-options.ts";
import { commandRoute, type Route, route } from "./route.ts";

const tag = "Backups";
const params = z.object({ key: z.string() });
const newest = z.strictObject({
  pattern: orNull(z.string().min(1).max(160)),
  maxAgeSeconds: orNull(z.coerce.number().int().min(1)),
});

/** Deletions are quick; what takes longer is answered with its operation. */
const DELETE_WAIT_SECONDS = 60;

export const backupRoutes: Route[] = [
  commandRoute(
    {
      method: "get",
      path: "/v1/backups",
      tag,
      summary: "List the backups the caller may see",
      command: "backups.page",
      query: z.strictObject({ ...pageQuery, sort: z.enum(backupOrders).default("-modified") }),
      answers: { 200: { description: "One page.", schema: pageSchema(BackupSchema) } },
    },
    ({ query }) => query,
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/backups/latest",
      tag,
      summary: "The newest backup that counts; with maxAgeSeconds 503 when it is older or a newer one is suspect",
      command: "backups.latest",
      query: newest,
      answers: { 200: { description: "The newest one, and what is newer and none.", schema: LatestBackupSchema } },
    },
    ({ query }) => query,
  ),
  route(
    {
      method: "get",
      path: "/v1/backups/latest/content",
      tag,
      summary: "Download the newest backup",
      command: "download.open",
      alsoAsks: ["download.latest", "download.goOn"],
      query: newest,
      answers: {
        200: { description: "The archive, whole." },
        206: { description: "A range of it, when If-Range or If-Match names its ETag." },
      },
    },
    async (c, { query }, { ask }) => {
      const found = await ask("download.latest", query);
      return found.ok ? downloadFound(c, found.value.key) : refuse(c, found.error);
    },
  ),
  route(
    {
      method: "put",
      path: "/v1/backups/{key}",
      tag,
      summary: "Upload a ZIP as the raw body, with Content-Length (curl -T)",
      command: "upload.reserve",
      alsoAsks: ["upload.ask", "upload.confirm"],
      params,
      answers: { 201: { description: "Stored, and listed with the size that was sent.", schema: BackupSchema } },
    },
    (c) => uploadRaw(c, backupKeyIn(c.req.url)),
  ),
  route(
    {
      method: "post",
      path: "/v1/backups",
      tag,
      summary: "Make a backup; answers at once with the operation",
      command: "backups.create",
      idempotent: true,
      body: z.strictObject({ name: z.string().min(1).max(150).optional() }).optional(),
      bodyOptional: true,
      answers: { 202: { description: "Queued or running; Location leads to it.", schema: OperationSchema } },
    },
    async (c, { body }, { ask }) => {
      const options = await requestOptions(c, 0);
      if (!options.ok) return refuse(c, options.error);
      const created = await ask("backups.create", { ...options.value, name: body?.name ?? null, unreadable: null });
      return created.ok ? accepted(c, created.value) : refuse(c, created.error);
    },
  ),
  route(
    {
      method: "post",
      path: "/v1/backups/{key}/restore",
      tag,
      summary: "Restore a backup: preflight, safety backup, restore, and watching until it is known how it ended",
      command: "backups.restore",
      alsoAsks: ["backups.preflight"],
      idempotent: true,
      params,
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
    },
    async (c, { body }, { ask }) => {
      const key = backupKeyIn(c.req.url);
      if (!key.ok) return refuse(c, key.error);
      // The schema fills the defaults in only where there is a body.
      const { dryRun = false, safetyBackup = true } = body ?? {};
      if (dryRun) {
        const looked = await ask("backups.preflight", { key: key.value });
        return looked.ok ? c.json(looked.value, 200) : refuse(c, looked.error);
      }
      const options = await requestOptions(c, 0);
      if (!options.ok) return refuse(c, options.error);
      const restored = await ask("backups.restore", { ...options.value, key: key.value, safetyBackup });
      return restored.ok ? accepted(c, restored.value) : refuse(c, restored.error);
    },
  ),
  route(
    {
      method: "delete",
      path: "/v1/backups/{key}",
      tag,
      summary: "Delete a backup",
      command: "backups.delete",
      idempotent: true,
      params,
      answers: {
        202: { description: "Not settled yet: see the operation.", schema: OperationSchema },
        204: { description: "Deleted." },
      },
    },
    async (c, _input, { ask }) => {
      const key = backupKeyIn(c.req.url);
      if (!key.ok) return refuse(c, key.error);
      const options = await requestOptions(c, DELETE_WAIT_SECONDS);
      if (!options.ok) return refuse(c, options.error);
      const deleted = await ask("backups.delete", { ...options.value, key: key.value });
      if (!deleted.ok) return refuse(c, deleted.error);
      if (!isFinal(deleted.value)) return accepted(c, deleted.value);
      const ended = outcome(deleted.value);
      return ended.ok ? c.body(null, 204) : refuse(c, ended.error);
    },
  ),
];
