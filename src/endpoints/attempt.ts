import type { Clock } from "../base/clock.ts";
import { joined, readPieces } from "../http/body.ts";
import { type AddressPolicy, decideResolved, isPublicReceiver, type WebhookAddress } from "../webhooks/address.ts";
import {
  ATTEMPT_TIMEOUT_MS,
  type Reason,
  reasonOfLookup,
  reasonOfRefusal,
  reasonOfStatus,
  reasonOfThrow,
} from "../webhooks/reason.ts";
import type { Resolver } from "../webhooks/resolver.ts";
import { succeeded } from "../webhooks/retry.ts";
import { readBodyRetryAfter, readRetryAfter } from "../webhooks/retry-after.ts";
import { responseSnippet, SNIPPET_READ_BYTES } from "../webhooks/snippet.ts";
import type { WireRequest } from "../webhooks/wire.ts";
import type { Deadlines } from "./deadlines.ts";

/** How requests reach receivers. On plain workerd through the network service that reaches public addresses only. */
export type Net = {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Whether a bare TCP connection can be made; null where that cannot be tried. */
  reach: ((host: string, port: number) => Promise<boolean>) | null;
  /** Null where no resolver is set: then the network alone refuses names that resolve to private addresses. */
  resolve: Resolver | null;
  policy: AddressPolicy;
  clock: Clock;
  deadlines: Deadlines;
};

export type Target = {
  address: WebhookAddress;
  /** What is masked in answers, as `endpointSecrets` returns it. */
  secrets: readonly string[];
  /** Keeps the beginning of a successful answer too, for whoever asked for a test. */
  captureBody: boolean;
};

/** How one attempt ended. */
export type AttemptResult = {
  /** Null when there was no answer. */
  status: number | null;
  /** Until the answer's head, or until the failure. */
  ms: number;
  /** How long the receiver asks to be left alone; 0 when it does not ask. */
  retryAfterMs: number;
  /** The answer's `webhook-delivery` header. */
  control: string | null;
  /** Null when it succeeded. */
  reason: Reason | null;
  /** The beginning of the answer's body, masked. */
  snippet: string | null;
};

const NO_ANSWER = { status: null, retryAfterMs: 0, control: null, reason: null, snippet: null } as const;

/** The result when no request was sent. */
export const refusedAttempt = (reason: Reason): AttemptResult => ({ ...NO_ANSWER, ms: 0, reason });

/** How long a body may take once the status is known. */
const BODY_MS = 1_000;
/** A successful answer up to this length is read to its end, so that the connection can serve the next attempt. */
const DRAINED_BYTES = 65_536;

/**
 * Sends one request, and ends within 15 s and `BODY_MS` for the answer's beginning. Redirects are not followed. Never
 * throws.
 */
export async function attempt(net: Net, request: WireRequest, target: Target): Promise<AttemptResult> {
  const since = net.clock();
  const result = (part: Partial<AttemptResult>): AttemptResult => ({
    ...NO_ANSWER,
    ms: net.clock() - since,
    ...part,
  });
  const lookup = await resolveTarget(net, target.address);
  if ("refused" in lookup) return result({ reason: lookup.refused });
  const { url, ...init } = request;
  const deadline = net.deadlines.within(ATTEMPT_TIMEOUT_MS);
  try {
    const response = await net.fetch(url, { ...init, redirect: "manual", signal: deadline.signal });
    const { status, headers } = response;
    const ms = net.clock() - since;
    const control = headers.get("webhook-delivery");
    const success = succeeded(status);
    if (success && headers.get("content-length") === "0") return result({ status, ms, control });
    if (success && !target.captureBody) {
      await drain(net.deadlines, response);
      return result({ status, ms, control });
    }
    const body = await readBeginning(net.deadlines, response);
    const shown = isPublicReceiver(target.address, net.policy, lookup.addresses);
    const snippet = shown && body.length > 0 ? responseSnippet(body, target.secrets) : null;
    if (success) return result({ status, ms, control, snippet });
    const inHeader = readRetryAfter(headers.get("retry-after"), net.clock(), headers.get("date"));
    const inBody = status === 429 ? readBodyRetryAfter(new TextDecoder().decode(body), net.clock()) : 0;
    return result({
      status,
      ms,
      control,
      retryAfterMs: Math.max(inHeader, inBody),
      reason: reasonOfStatus(status),
      snippet,
    });
  } catch (thrown) {
    return result({ reason: await reasonOf(net, target.address, thrown, lookup.addresses !== null) });
  } finally {
    net.deadlines.release(deadline);
  }
}

/** The name's addresses, null where no resolver is set; refused when one of them must not be reached. */
export async function resolveTarget(
  net: Net,
  address: WebhookAddress,
): Promise<{ addresses: string[] | null } | { refused: Reason }> {
  if (net.resolve === null || address.name === null) return { addresses: null };
  const resolved = await net.resolve(address.name);
  if (!resolved.ok) return { refused: reasonOfLookup(resolved.error) };
  const decided = decideResolved(resolved.value.addresses, net.policy);
  return decided.ok ? { addresses: resolved.value.addresses } : { refused: reasonOfRefusal(decided.error) };
}

async function reasonOf(net: Net, address: WebhookAddress, thrown: unknown, resolved: boolean): Promise<Reason> {
  const error = thrown instanceof Error ? thrown : { name: "", message: "" };
  const url = new URL(address.url);
  const https = url.protocol === "https:";
  const timedOut = error.name === "TimeoutError" || error.name === "AbortError";
  const port = Number(url.port) || (https ? 443 : 80);
  const reached = timedOut || net.reach === null ? null : await net.reach(url.hostname, port);
  return reasonOfThrow(error, { https, resolved, reached });
}

/** Reads a success to its end if it is short, so that the connection can serve the next attempt. */
async function drain(deadlines: Deadlines, response: Response): Promise<void> {
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  // One byte more than there is: then the end is read as well.
  const most = length <= DRAINED_BYTES ? length + 1 : SNIPPET_READ_BYTES;
  await readInTime(deadlines, response, most, () => undefined);
}

async function readBeginning(deadlines: Deadlines, response: Response): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  await readInTime(deadlines, response, SNIPPET_READ_BYTES, (piece) => pieces.push(piece));
  return joined(pieces);
}

/** What comes within `BODY_MS`. A slow or broken body must not keep the slot: the status is known already. */
async function readInTime(
  deadlines: Deadlines,
  { body }: Response,
  most: number,
  take: (piece: Uint8Array) => void,
): Promise<void> {
  const deadline = deadlines.within(BODY_MS);
  try {
    await readPieces(body, most, take, deadline.signal);
  } catch {
    // The connection broke: what came before counts.
  } finally {
    deadlines.release(deadline);
  }
}
