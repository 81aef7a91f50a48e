import { z } from "@hono/zod-openapi";
import { decodeBackupKey } from "../access/backup-name.ts";
import { downloadKey } from "../api/download.ts";
import { uploadRaw } from "../api/upload.ts";
import { refuse } from "../http/context.ts";
import { ask } from "../http/door.ts";
import { isFinal, outcome } from "../operations/operation.ts";
import { OperationSchema, operationView } from "./operations.ts";
import { page, pageQuery, type Relay, route, serve } from "./route.ts";

const BackupSchema = z.object({ key: z.string(), size: z.number(), modified: z.string() }).openapi("Backup");
const sorts = ["-modified", "modified", "key", "-size"] as const;
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
  query: z.strictObject({ ...pageQuery, sort: z.enum(sorts).default("-modified") }),
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
const remove = route({
  method: "delete",
  path: "/v1/backups/{key}",
  tag: "Backups",
  summary: "Delete a backup",
  scope: "backups:delete",
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
      do: "backups.latest",
      pattern: pattern ?? null,
      maxAgeSeconds: maxAgeSeconds ?? null,
    });
    return found.ok ? downloadKey(c, found.value.key) : refuse(c, found.error);
  });
  serve(app, put, async (c) => uploadRaw(c, keyOf(c.req.url)));
  serve(app, remove, async (c) => {
    const key = keyOf(c.req.url);
    if (!key.ok) return refuse(c, key.error);
    const deleted = await ask(c, { do: "backups.delete", key: key.value, waitSeconds: 60 });
    if (!deleted.ok) return refuse(c, deleted.error);
    const ended = outcome(deleted.value);
    if (!ended.ok) return refuse(c, ended.error);
    if (isFinal(deleted.value) && deleted.value.state === "succeeded") return c.body(null, 204);
    c.header("location", `/v1/operations/${deleted.value.id}`);
    c.header("retry-after", "5");
    return c.json(operationView(deleted.value), 202);
  });
}

/** From the path as it was sent, decoded once. */
const keyOf = (url: string) => decodeBackupKey(new URL(url).pathname.split("/")[3] ?? "");
