import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { AppEnv } from "../edge/context.ts";
import { downloadBackup } from "../edge/download.ts";
import { uploadBackup } from "../edge/upload.ts";
import { logIn, refreshSession } from "./auth.ts";
import { createBackup, deleteBackup, listBackups, restoreBackup } from "./backups.ts";
import { createFileToken } from "./file-token.ts";
import { readHealth } from "./health.ts";
import { mountRow, row } from "./route.ts";

const ListedBackupSchema = z
  .object({
    key: z.string(),
    size: z.number(),
    modified: z.string().describe("As the server wrote it: a space, no T."),
  })
  .meta({ id: "ListedBackup" });
const SessionSchema = z
  .object({ token: z.string(), record: z.record(z.string(), z.unknown()) })
  .meta({ id: "Session" });
const binary = z.string().meta({ format: "binary" });
const zip = { "application/zip": { schema: binary } };
const json = (schema: z.ZodType) => ({ "application/json": { schema } });

/** PocketBase's calls that the relay answers in its place; what differs stands in docs/drop-in.md. */
export const dropInRows = [
  row({
    method: "get",
    path: "/api/backups",
    summary: "List the backups that the key may see",
    command: "backups.list",
    query: ["fields"],
    answers: { 200: { description: "In the server's own order.", content: json(z.array(ListedBackupSchema)) } },
    handle: listBackups,
  }),
  row({
    method: "post",
    path: "/api/backups",
    summary: "Make a backup; answers when it is there, or 202 after 100 s",
    command: "backups.create",
    body: json(z.object({ name: z.string().optional() })),
    answers: {
      204: { description: "Made, and listed by the server." },
      202: { description: "Still being made: Location leads to the operation." },
    },
    handle: createBackup,
  }),
  row({
    method: "post",
    path: "/api/backups/upload",
    summary: "Upload a ZIP as multipart/form-data, field file",
    command: "upload.reserve",
    alsoAsks: ["upload.ask", "upload.confirm"],
    body: { "multipart/form-data": { schema: z.object({ file: binary }) } },
    answers: { 204: { description: "Stored, and listed with the size that was sent." } },
    handle: uploadBackup,
  }),
  row({
    method: "get",
    path: "/api/backups/{key}",
    summary: "Download a backup",
    head: "Size, date and ranges of a backup",
    command: "download.open",
    alsoAsks: ["download.goOn"],
    query: ["token"],
    answers: {
      200: { description: "The whole archive.", content: zip },
      206: { description: "One range, or several as multipart/byteranges.", content: zip },
      304: { description: "Unchanged since If-Modified-Since." },
      416: { description: "The range lies outside the file." },
    },
    handle: downloadBackup,
  }),
  row({
    method: "delete",
    path: "/api/backups/{key}",
    summary: "Delete a backup",
    command: "backups.delete",
    answers: { 204: { description: "Deleted." } },
    handle: deleteBackup,
  }),
  row({
    method: "post",
    path: "/api/backups/{key}/restore",
    summary: "Restore a backup; 204 means accepted, not done",
    command: "backups.restore",
    answers: { 204: { description: "Accepted by the server." } },
    handle: restoreBackup,
  }),
  row({
    method: "post",
    path: "/api/files/token",
    summary: "A ticket for ?token= on downloads, 180 s",
    command: "ticket.create",
    answers: { 200: { description: "The relay's own ticket.", content: json(z.object({ token: z.string() })) } },
    handle: createFileToken,
  }),
  row({
    method: "get",
    path: "/api/health",
    summary: "Health; with a key also whether the server is free",
    access: "public",
    alsoAsks: ["health.read"],
    answers: { 200: { description: "Healthy.", content: json(z.record(z.string(), z.unknown())) } },
    handle: readHealth,
  }),
  row({
    method: "post",
    path: "/api/collections/_superusers/auth-with-password",
    summary: "Log an SDK in: any identity, the API key as password",
    access: "public",
    alsoAsks: ["session.create"],
    body: json(z.object({ identity: z.string(), password: z.string() })),
    answers: { 200: { description: "A session.", content: json(SessionSchema) } },
    handle: logIn,
  }),
  row({
    method: "post",
    path: "/api/collections/_superusers/auth-refresh",
    summary: "Renew a session",
    command: "session.refresh",
    answers: { 200: { description: "A session that lasts longer.", content: json(SessionSchema) } },
    handle: refreshSession,
  }),
];

export function mountDropIn(app: OpenAPIHono<AppEnv>): void {
  for (const each of dropInRows) mountRow(app, each);
}
