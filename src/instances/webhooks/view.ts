import * as z from "zod";
import { isoTime } from "../../base/clock.ts";
import type { EndpointProgress } from "../../webhooks/feed.ts";
import { type Format, formats } from "../../webhooks/formats/render.ts";
import { type SignatureKind, signatureKinds } from "../../webhooks/signature.ts";
import type { EndpointRecord } from "./store.ts";

/** What a user asks for; what is undefined stays as it is, or takes the default. */
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

/** `progress` is null when the endpoint's object has not reported since the instance woke. `head` is the ledger's end. */
export function endpointView(record: EndpointRecord, progress: EndpointProgress | null, head: number): EndpointView {
  const { reason, state, headerNames, origin, hasPath, created, ...more } = record;
  const { activation: _activation, lineage: _lineage, sealedWith: _sealedWith, ...same } = more;
  const time = (at: number | null | undefined) => (at ? isoTime(at) : null);
  const why = progress?.locked ? "Its secrets cannot be opened with the configured ENCRYPTION_KEY." : reason;
  return {
    ...same,
    url: hasPath ? `${origin}/…` : origin,
    state: state === "deleting" ? "disabled" : state,
    ...(why === null ? {} : { reason: why }),
    cursor: progress?.cursor ?? null,
    head,
    behind: progress ? Math.max(0, head - progress.cursor) + progress.waiting : null,
    headers: headerNames,
    created: isoTime(created),
    lastSuccess: time(progress?.lastSuccess),
    lastFailure: time(progress?.lastFailure),
  };
}

/** `secret` is there only when it was just made, and never again. */
export const MadeEndpointSchema = z
  .intersection(EndpointSchema, z.object({ secret: z.string().optional() }))
  .meta({ id: "MadeWebhook" });
export type MadeEndpoint = z.infer<typeof MadeEndpointSchema>;

export type ReplayFrom = { seq: number } | { time: number } | { event: string };
