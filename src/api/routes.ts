import { type RouteConfig, z } from "@hono/zod-openapi";
import type { Scope } from "../access/scope.ts";
import { ProblemSchema } from "../edge/problem-schema.ts";

const ListedSchema = z
  .object({
    key: z.string(),
    size: z.number(),
    modified: z.string().describe("As the server wrote it: a space, no T."),
  })
  .meta({ id: "ListedBackup" });
const AuthSchema = z.object({ token: z.string(), record: z.record(z.string(), z.unknown()) }).meta({ id: "Session" });
const ZIP = { "application/zip": { schema: z.string().meta({ format: "binary" }) } };
const json = (schema: z.ZodType) => ({ "application/json": { schema } });

type Row = {
  method: RouteConfig["method"];
  path: string;
  summary: string;
  scope: Scope | "public" | null;
  body?: Record<string, { schema: z.ZodType }>;
  query?: readonly string[];
  answers: RouteConfig["responses"];
};

const download = {
  path: "/api/backups/{key}",
  scope: "backups:download",
  query: ["token"],
  answers: {
    200: { description: "The whole archive.", content: ZIP },
    206: { description: "One range, or several as multipart/byteranges.", content: ZIP },
    304: { description: "Unchanged since If-Modified-Since." },
    416: { description: "The range lies outside the file." },
  },
} satisfies Partial<Row>;

const rows: Row[] = [
  {
    method: "get",
    path: "/api/backups",
    summary: "List the backups that the key may see",
    scope: "backups:list",
    query: ["fields"],
    answers: { 200: { description: "In the server's own order.", content: json(z.array(ListedSchema)) } },
  },
  {
    method: "post",
    path: "/api/backups",
    summary: "Make a backup; answers when it is there, or 202 after 100 s",
    scope: "backups:create",
    body: json(z.object({ name: z.string().optional() })),
    answers: {
      204: { description: "Made, and listed by the server." },
      202: { description: "Still being made: Location leads to the operation." },
    },
  },
  {
    method: "post",
    path: "/api/backups/upload",
    summary: "Upload a ZIP as multipart/form-data, field file",
    scope: "backups:upload",
    body: { "multipart/form-data": { schema: z.object({ file: z.string().meta({ format: "binary" }) }) } },
    answers: { 204: { description: "Stored, and listed with the size that was sent." } },
  },
  { method: "get", summary: "Download a backup", ...download },
  { method: "head", summary: "Size, date and ranges of a backup", ...download },
  {
    method: "delete",
    path: "/api/backups/{key}",
    summary: "Delete a backup",
    scope: "backups:delete",
    answers: { 204: { description: "Deleted." } },
  },
  {
    method: "post",
    path: "/api/backups/{key}/restore",
    summary: "Restore a backup; 204 means accepted, not done",
    scope: "backups:restore",
    answers: { 204: { description: "Accepted by the server." } },
  },
  {
    method: "post",
    path: "/api/files/token",
    summary: "A ticket for ?token= on downloads, 180 s",
    scope: "backups:download",
    answers: { 200: { description: "The relay's own ticket.", content: json(z.object({ token: z.string() })) } },
  },
  {
    method: "get",
    path: "/api/health",
    summary: "Health; with a key also whether the server is free",
    scope: "public",
    answers: { 200: { description: "Healthy.", content: json(z.record(z.string(), z.unknown())) } },
  },
  {
    method: "post",
    path: "/api/collections/_superusers/auth-with-password",
    summary: "Log an SDK in: any identity, the API key as password",
    scope: "public",
    body: json(z.object({ identity: z.string(), password: z.string() })),
    answers: { 200: { description: "A session.", content: json(AuthSchema) } },
  },
  {
    method: "post",
    path: "/api/collections/_superusers/auth-refresh",
    summary: "Renew a session",
    scope: null,
    answers: { 200: { description: "A session that lasts longer.", content: json(AuthSchema) } },
  },
];

/** The drop-in calls for the OpenAPI document. Their handlers follow PocketBase, not these schemas. */
export const dropInPaths: RouteConfig[] = rows.map((row) => ({
  method: row.method,
  path: row.path,
  tags: ["Drop-in (PocketBase)"],
  summary: row.summary,
  "x-scope": row.scope,
  security: row.scope === "public" ? [] : [{ bearer: [] }],
  request: {
    ...(row.path.includes("{key}") ? { params: z.object({ key: z.string() }) } : {}),
    ...(row.query
      ? { query: z.object(Object.fromEntries(row.query.map((name) => [name, z.string().optional()]))) }
      : {}),
    ...(row.body ? { body: { content: row.body } } : {}),
  },
  responses: {
    ...row.answers,
    default: { description: "Refused or failed; docs/errors.md explains each code.", content: json(ProblemSchema) },
  },
}));
