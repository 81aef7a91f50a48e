import { z } from "@hono/zod-openapi";
import { type PresetName, presetNames } from "../access/preset.ts";
import { ask } from "../edge/ask.ts";
import { refuse } from "../edge/context.ts";
import { KeySchema, KeySelfSchema, MintedKeySchema, QuotasSchema, ScopeSchema } from "../instances/keys/view.ts";
import { MAX_APPROVAL_SECONDS } from "../operations/approval.ts";
import { isoTimeField, page, pageQuery, type Relay, route, serve } from "./route.ts";

const limits = {
  patterns: z.array(z.string()).min(1).max(20),
  networks: z.array(z.string()).max(50),
  notBefore: isoTimeField.nullable(),
  expires: isoTimeField.nullable(),
  ratePerMinute: z.number().int().min(1).max(100_000).nullable(),
  quotas: QuotasSchema,
  approval: z.array(z.enum(["backups:restore", "backups:delete"])),
  approvalSeconds: z.number().int().min(1).max(MAX_APPROVAL_SECONDS).nullable(),
  principal: z.string().min(1).max(64),
  note: z.string().max(256),
};
const name = z.string().min(1).max(64);

const one = z.object({ id: z.string().max(64) });

const create = route({
  method: "post",
  path: "/v1/keys",
  tag: "Keys",
  summary: "Mint a key; its text is shown only here",
  scope: "keys:write",
  body: z.strictObject({
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
  }),
  answers: { 201: { description: "The key, with its text.", schema: MintedKeySchema } },
});
const list = route({
  method: "get",
  path: "/v1/keys",
  tag: "Keys",
  summary: "List the keys that the caller may see: its own and those below it",
  scope: "keys:read",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "By id.", schema: page(KeySchema) } },
});
const self = route({
  method: "get",
  path: "/v1/keys/self",
  tag: "Keys",
  summary: "What the caller may do",
  scope: null,
  answers: { 200: { description: "Scopes, patterns, limits left and expiry.", schema: KeySelfSchema } },
});
const read = route({
  method: "get",
  path: "/v1/keys/{id}",
  tag: "Keys",
  summary: "Read one key",
  scope: "keys:read",
  params: one,
  answers: { 200: { description: "The key, without its text.", schema: KeySchema } },
});
const change = route({
  method: "patch",
  path: "/v1/keys/{id}",
  tag: "Keys",
  summary: "Change a key's limits, or disable it; a JSON merge patch",
  scope: "keys:write",
  params: one,
  body: z.strictObject({
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
  }),
  answers: { 200: { description: "The key as it is now.", schema: KeySchema } },
});
const remove = route({
  method: "delete",
  path: "/v1/keys/{id}",
  tag: "Keys",
  summary: "Revoke a key and everything below it, effective on the next request",
  scope: "keys:write",
  params: one,
  answers: { 204: { description: "Revoked." } },
});
const rotate = route({
  method: "post",
  path: "/v1/keys/{id}/rotate",
  tag: "Keys",
  summary: "A new secret; the old one ends at the successor's first use or when the grace does",
  scope: "keys:write",
  params: one,
  body: z.strictObject({ graceSeconds: z.number().int().min(0).max(604_800).optional() }).optional(),
  bodyOptional: true,
  answers: { 201: { description: "The key, with its new text.", schema: MintedKeySchema } },
});

export function mountKeys(app: Relay): void {
  serve(app, create, async (c, input) => {
    const body = input.body;
    const minted = await ask(c, {
      do: "keys.create",
      ...body,
      preset: (body.preset as PresetName | undefined) ?? null,
      scopes: body.scopes ?? null,
    });
    return minted.ok ? c.json(minted.value, 201) : refuse(c, minted.error);
  });
  serve(app, list, async (c, input) => {
    const { limit, cursor } = input.query;
    const listed = await ask(c, { do: "keys.list", limit, cursor: cursor ?? null });
    return listed.ok ? c.json(listed.value, 200) : refuse(c, listed.error);
  });
  serve(app, self, async (c) => {
    const answer = await ask(c, { do: "keys.self" });
    return answer.ok ? c.json(answer.value, 200) : refuse(c, answer.error);
  });
  serve(app, read, async (c, input) => {
    const key = await ask(c, { do: "keys.read", id: input.params.id });
    return key.ok ? c.json(key.value, 200) : refuse(c, key.error);
  });
  serve(app, change, async (c, input) => {
    // In a merge patch null removes a limit; what cannot be absent goes back to its default.
    const { patterns, networks, quotas, approval, note, ...rest } = input.body;
    const key = await ask(c, {
      do: "keys.change",
      id: input.params.id,
      change: {
        ...rest,
        ...(patterns === undefined ? {} : { patterns: patterns ?? ["*"] }),
        ...(networks === undefined ? {} : { networks: networks ?? [] }),
        ...(quotas === undefined ? {} : { quotas: quotas ?? {} }),
        ...(approval === undefined ? {} : { approval: approval ?? [] }),
        ...(note === undefined ? {} : { note: note ?? "" }),
      },
    });
    return key.ok ? c.json(key.value, 200) : refuse(c, key.error);
  });
  serve(app, remove, async (c, input) => {
    const removed = await ask(c, { do: "keys.delete", id: input.params.id });
    return removed.ok ? c.body(null, 204) : refuse(c, removed.error);
  });
  serve(app, rotate, async (c, input) => {
    const rotated = await ask(c, {
      do: "keys.rotate",
      id: input.params.id,
      graceSeconds: input.body?.graceSeconds ?? null,
    });
    return rotated.ok ? c.json(rotated.value, 201) : refuse(c, rotated.error);
  });
}
