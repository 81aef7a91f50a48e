import type { LedgerEvent } from "../ledger/event.ts";
import { type Format, render } from "./formats/render.ts";
import type { Sign } from "./signature.ts";

/** What an attempt needs of its endpoint; made once, kept as long as neither address, headers nor keys change. */
export type WireEndpoint = {
  url: string;
  /** As `acceptEndpointHeaders` returns them. */
  headers: Record<string, string>;
  format: Format;
  sign: Sign;
};

export type WireRequest = { url: string; method: "POST"; headers: Record<string, string>; body: string };

/**
 * The request of one attempt that starts at `at` (ms). In format `standard` the body is the event's text as the ledger
 * stored it, byte for byte; the other formats render the event for people. Every request is signed over the body it has, with the event's id, which is the same in all attempts, and the attempt's own time.
 */
export function wireRequest(endpoint: WireEndpoint, event: { id: string; text: string }, at: number): WireRequest {
  const { url, contentType, body } =
    endpoint.format === "standard"
      ? { url: endpoint.url, contentType: "application/json", body: event.text }
      : render(endpoint.format, JSON.parse(event.text) as LedgerEvent, endpoint.url);
  const seconds = Math.floor(at / 1000);
  return {
    url,
    method: "POST",
    headers: {
      "user-agent": "Backup-Relay",
      ...endpoint.headers,
      "content-type": contentType,
      // Nothing to unpack: a small answer cannot grow into a large one.
      "accept-encoding": "identity",
      "webhook-id": event.id,
      "webhook-timestamp": String(seconds),
      "webhook-signature": endpoint.sign(event.id, seconds, body),
    },
    body,
  };
}
