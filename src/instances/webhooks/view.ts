import * as z from "zod";
import { type Format, formats } from "../../webhooks/formats/render.ts";
import { type SignatureKind, signatureKinds } from "../../webhooks/signature.ts";

/** What a user says of an endpoint; undefined leaves it as it is, or takes the default. */
export type EndpointRequest = {
  url?: string;
  types?: string[];
  patterns?: string[];
  description?: string;
  headers?: Record<string, string>;
  ratePerMinute?: number | null;
  format?: Format;
  signatures?: SignatureKind[];
};

/** An endpoint as its owner sees it. Of the address only scheme, host and port; of the headers only the names. */
export const EndpointSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    patterns: z.array(z.string()),
    state: z.enum(["active", "paused", "disabled"]),
    /** In words, why it is not active. */
    reason: z.string().optional(),
    /** The `seq` up to which the ledger was read for it; null when not known now. */
    cursor: z.number().nullable(),
    /** The last `seq` of the ledger. */
    head: z.number(),
    /** How many events are not delivered yet; null when not known now. */
    behind: z.number().nullable(),
    format: z.enum(formats),
    signatures: z.array(z.enum(signatureKinds)),
    headers: z.array(z.string()).describe("Names only."),
    description: z.string(),
    ratePerMinute: z.number().nullable(),
    /** The key that made it; null: an administrator. */
    owner: z.string().nullable(),
    created: z.string(),
    lastSuccess: z.string().nullable(),
    lastFailure: z.string().nullable(),
  })
  .meta({ id: "Webhook" });
export type EndpointView = z.infer<typeof EndpointSchema>;

/** `secret` is there only when it was just made, and never again. */
export const MadeEndpointSchema = z
  .intersection(EndpointSchema, z.object({ secret: z.string().optional() }))
  .meta({ id: "MadeWebhook" });
export type MadeEndpoint = z.infer<typeof MadeEndpointSchema>;

export type ReplayFrom = { seq: number } | { time: number } | { event: string };
