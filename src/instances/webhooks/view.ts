import type { Format } from "../../webhooks/formats/render.ts";
import type { SignatureKind } from "../../webhooks/signature.ts";

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
