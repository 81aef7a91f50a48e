import type { EventType } from "../ledger/event-types.ts";
import type { Attempted } from "../webhooks/attempt.ts";
import type { AttemptView } from "../webhooks/attempt-log.ts";
import type { Format } from "../webhooks/formats/render.ts";
import type { SignatureKind } from "../webhooks/signature.ts";

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

/** API.md "Webhooks". Of the address only scheme, host and port; of headers only the names. */
export type EndpointView = {
  id: string;
  url: string;
  types: string[];
  patterns: string[];
  state: "active" | "paused" | "disabled";
  /** In words, why it is not active. */
  reason?: string;
  /** The ledger is read up to here, its end, and how many events are not through yet; null when not known now. */
  cursor: number | null;
  head: number;
  behind: number | null;
  format: Format;
  signatures: SignatureKind[];
  headers: string[];
  description: string;
  ratePerMinute: number | null;
  /** The key that made it; null: an administrator. */
  owner: string | null;
  created: string;
  lastSuccess: string | null;
  lastFailure: string | null;
};

/** `secret` is there only when it was just made, and never again. */
export type ShownEndpoint = EndpointView & { secret?: string };

export type ReplayFrom = { seq: number } | { time: number } | { event: string };

type Page<T> = { items: T[]; nextCursor: string | null };
type PageRequest = { limit: number; cursor: string | null };

/** The commands about webhook endpoints, as `commands.ts` has them of the rest. */
export type WebhookCommands = {
  "webhooks.create": {
    /** `id` is made by the Worker, which holds the tag key. */
    input: { id: string; request: EndpointRequest & { url: string }; secret: string | null };
    output: ShownEndpoint;
  };
  "webhooks.list": { input: PageRequest; output: Page<EndpointView> };
  "webhooks.read": { input: { id: string }; output: EndpointView };
  "webhooks.change": { input: { id: string; request: EndpointRequest }; output: ShownEndpoint };
  "webhooks.delete": { input: { id: string }; output: null };
  "webhooks.pause": { input: { id: string }; output: EndpointView };
  "webhooks.resume": { input: { id: string }; output: EndpointView };
  "webhooks.rotate": {
    input: { id: string; secret: string | null; overlapSeconds: number };
    output: ShownEndpoint;
  };
  "webhooks.test": { input: { id: string; type: EventType }; output: Attempted };
  "webhooks.attempts": { input: { id: string } & PageRequest; output: Page<AttemptView> };
  "webhooks.replay": { input: { id: string; from: ReplayFrom }; output: EndpointView };
};

/** Writing asks for `webhooks:write`; making one also for `events:read`, which the door adds. */
export const webhookPolicies = {
  "webhooks.create": { scope: "webhooks:write", audit: true },
  "webhooks.list": { scope: "webhooks:read", audit: false },
  "webhooks.read": { scope: "webhooks:read", audit: false },
  "webhooks.change": { scope: "webhooks:write", audit: true },
  "webhooks.delete": { scope: "webhooks:write", audit: true },
  "webhooks.pause": { scope: "webhooks:write", audit: true },
  "webhooks.resume": { scope: "webhooks:write", audit: true },
  "webhooks.rotate": { scope: "webhooks:write", audit: true },
  "webhooks.test": { scope: "webhooks:write", audit: true },
  "webhooks.attempts": { scope: "webhooks:read", audit: false },
  "webhooks.replay": { scope: "webhooks:write", audit: true },
} as const;
