import { z } from "@hono/zod-openapi";
import { presetNames } from "../access/preset.ts";
import { KeySchema, KeySelfSchema, MintedKeySchema, QuotasSchema, ScopeSchema } from "../instances/keys/view.ts";
import { MAX_APPROVAL_SECONDS } from "../operations/approval.ts";
import { pageQuery, pageSchema } from "./page.ts";
import { commandRoute, type Route } from "./route.ts";

const tag = "Keys";
const params = z.object({ id: z.string().max(64) });
const name = z.string().min(1).max(64);
/** ISO 8601 in the request, ms since the epoch in the command. */
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const limits = {
  patterns: z.array(z.string()).min(1).max(20),
  networks: z.array(z.string()).max(50),
  notBefore: time.nullable(),
  expires: time.nullable(),
  ratePerMinute: z.number().int().min(1).max(100_000).nullable(),
  quotas: QuotasSchema,
  approval: z.array(z.enum(["backups:restore", "backups:delete"])),
  approvalSeconds: z.number().int().min(1).max(MAX_APPROVAL_SECONDS).nullable(),
  principal: z.string().min(1).max(64),
  note: z.string().max(256),
};

const CreateKey = z.strictObject({
  name,
  preset: z.enum(presetNames).optional(),
  scopes: z.array(ScopeSchema).min(1).optional(),
  patterns: limits.patterns.optional(),
  networks: limits.networks.optional(),
  notBefore: limits.notBefore.optional(),
  expires: limits.expires.optional(),
  ratePerMinute: limits.ratePerMinute.optional(),
  quotas: limits.quotas.optional(),
  approval: limits.approval.optional(),
  approvalSeconds: limits.approvalSeconds.optional().describe("How long another principal has to decide; 900."),
  principal: limits.principal.optional(),
  note: limits.note.optional(),
});

const ChangeKey = z.strictObject({
  name: name.optional(),
  scopes: z.array(ScopeSchema).min(1).optional(),
  patterns: limits.patterns.nullable().optional(),
  networks: limits.networks.nullable().optional(),
  notBefore: limits.notBefore.optional(),
  expires: limits.expires.optional(),
  ratePerMinute: limits.ratePerMinute.optional(),
  quotas: limits.quotas.nullable().optional(),
  approval: limits.approval.nullable().optional(),
  approvalSeconds: limits.approvalSeconds.optional(),
  principal: limits.principal.optional(),
  note: limits.note.nullable().optional(),
  disabled: z.boolean().optional(),
});

/** In a JSON merge patch null removes a limit. What a key cannot be without goes back to its default. */
function changeOf({ patterns, networks, quotas, approval, note, ...rest }: z.output<typeof ChangeKey>) {
  return {
    ...rest,
    ...(patterns === undefined ? {} : { patterns: patterns ?? ["*"] }),
    ...(networks === undefined ? {} : { networks: networks ?? [] }),
    ...(quotas === undefined ? {} : { quotas: quotas ?? {} }),
    ...(approval === undefined ? {} : { approval: approval ?? [] }),
    ...(note === undefined ? {} : { note: note ?? "" }),
  };
}

export const keyRoutes: Route[] = [
  commandRoute(
    {
      method: "post",
      path: "/v1/keys",
      tag,
      summary: "Mint a key; its text is shown only here",
      command: "keys.create",
      body: CreateKey,
      answers: { 201: { description: "The key, with its text.", schema: MintedKeySchema } },
    },
    ({ body }) => ({ ...body, preset: body.preset ?? null, scopes: body.scopes ?? null }),
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/keys",
      tag,
      summary: "List the keys that the caller may see: its own and those below it",
      command: "keys.list",
      query: z.strictObject(pageQuery),
      answers: { 200: { description: "By id.", schema: pageSchema(KeySchema) } },
    },
    ({ query }) => query,
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/keys/self",
      tag,
      summary: "What the caller may do",
      command: "keys.self",
      answers: { 200: { description: "Scopes, patterns, limits left and expiry.", schema: KeySelfSchema } },
    },
    () => ({}),
  ),
  commandRoute(
    {
      method: "get",
      path: "/v1/keys/{id}",
      tag,
      summary: "Read one key",
      command: "keys.read",
      params,
      answers: { 200: { description: "The key, without its text.", schema: KeySchema } },
    },
    ({ params }) => params,
  ),
  commandRoute(
    {
      method: "patch",
      path: "/v1/keys/{id}",
      tag,
      summary: "Change a key's limits, or disable it; a JSON merge patch",
      command: "keys.change",
      params,
      body: ChangeKey,
      answers: { 200: { description: "The key as it is now.", schema: KeySchema } },
    },
    ({ params, body }) => ({ ...params, change: changeOf(body) }),
  ),
  commandRoute(
    {
      method: "delete",
      path: "/v1/keys/{id}",
      tag,
      summary: "Revoke a key and everything below it, effective on the next request",
      command: "keys.delete",
      params,
      answers: { 204: { description: "Revoked." } },
    },
    ({ params }) => params,
  ),
  commandRoute(
    {
      method: "post",
      path: "/v1/keys/{id}/rotate",
      tag,
      summary: "A new secret; the old one ends at the successor's first use or when the grace does",
      command: "keys.rotate",
      params,
      body: z.strictObject({ graceSeconds: z.number().int().min(0).max(604_800).optional() }).optional(),
      bodyOptional: true,
      answers: { 201: { description: "The key, with its new text.", schema: MintedKeySchema } },
    },
    ({ params, body }) => ({ ...params, graceSeconds: body?.graceSeconds ?? null }),
  ),
];
