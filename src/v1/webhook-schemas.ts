import { z } from "@hono/zod-openapi";
import { formats } from "../webhooks/formats/render.ts";
import { signatureKinds } from "../webhooks/signature.ts";

/** What the routes of `/v1/webhooks` take; what they answer stands beside the rows it shows. */
const settings = {
  url: z.string().max(2048).describe("https; never shown again beyond its host."),
  types: z.array(z.string().max(64)).min(1).max(50).describe("Event types; `backup.*` and `*` are understood."),
  patterns: z.array(z.string()).min(1).max(20).describe("Globs over backup keys, on top of the owner's own."),
  description: z.string().max(256),
  headers: z.record(z.string(), z.string()).describe("Sent with every attempt; only the names are shown again."),
  ratePerMinute: z.number().int().min(1).max(100_000).nullable(),
  format: z.enum(formats),
  signatures: z.array(z.enum(signatureKinds)).min(1).max(2),
};
const optional = {
  types: settings.types.optional(),
  patterns: settings.patterns.optional(),
  description: settings.description.optional(),
  headers: settings.headers.optional(),
  ratePerMinute: settings.ratePerMinute.optional(),
  format: settings.format.optional(),
  signatures: settings.signatures.optional(),
};
const secret = z.string().max(128).describe("whsec_ and base64 of 24 to 64 bytes; made here when left out.");

export const CreateWebhook = z.strictObject({ url: settings.url, ...optional, secret: secret.optional() });
export const ChangeWebhook = z.strictObject({ url: settings.url.optional(), ...optional });
export const RotateWebhook = z
  .strictObject({ secret: secret.optional(), overlapSeconds: z.number().int().min(0).max(604_800).optional() })
  .optional();
export const TestWebhook = z.strictObject({ type: z.string().max(64).optional() }).optional();
export const ReplayWebhook = z.union([
  z.strictObject({ seq: z.number().int().min(1) }),
  z.strictObject({ time: z.iso.datetime({ offset: true }) }),
  z.strictObject({ event: z.string().max(64) }),
]);

export const EventTypeSchema = z
  .object({
    type: z.string(),
    schema: z.record(z.string(), z.unknown()).describe("JSON Schema, draft 2020-12."),
    example: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "EventType" });
export const JwksSchema = z.object({
  keys: z.array(
    z.object({
      kty: z.string(),
      crv: z.string(),
      use: z.string(),
      alg: z.string(),
      kid: z.string(),
      x: z.string(),
    }),
  ),
});
