import type { AddressRefusal } from "./address.ts";

/** Why an attempt failed: a word to filter by, and a sentence for whoever runs the receiver. */
export type Reason = {
  kind: "address" | "dns" | "tls" | "connection" | "timeout" | "redirect" | "gone" | "status";
  message: string;
};

/** The longest an attempt takes (Standard Webhooks asks for 15 to 30 s). */
export const ATTEMPT_TIMEOUT_MS = 15_000;

const hints: Record<number, string> = {
  400: "It does not understand the request.",
  401: "It wants a credential: put one into the endpoint's headers.",
  403: "It refuses the request: look for a firewall, or a credential that it wants.",
  404: "There is nothing at this path.",
  405: "It does not take POST at this path.",
  408: "It gave up waiting for the request.",
  413: "It takes no bodies of this size (events are under 20 kB).",
  415: "It does not take application/json.",
  429: "It is overloaded; the endpoint is slowed down.",
  500: "It failed by its own account.",
  502: "A proxy in front of it got no sound answer; the endpoint is slowed down.",
  503: "It is overloaded or down for now; the endpoint is slowed down.",
  504: "A proxy in front of it got no answer in time; the endpoint is slowed down.",
};

/** Cloudflare's own answers in place of a server that it could not talk to. */
const cloudflare: Record<number, Reason> = {
  521: { kind: "connection", message: "The receiver refused the connection (521)." },
  522: { kind: "timeout", message: "The receiver did not take the connection in time (522)." },
  523: { kind: "connection", message: "There is no way to the receiver (523)." },
  524: { kind: "timeout", message: "The receiver took the request and did not answer in time (524)." },
  525: { kind: "tls", message: "The receiver's TLS handshake failed (525)." },
  526: { kind: "tls", message: "The receiver's certificate is not valid (526)." },
  530: { kind: "dns", message: "The receiver's name could not be resolved (530)." },
};

/** The reason when the answer is not 2xx. */
export function reasonOfStatus(status: number): Reason {
  if (status >= 300 && status < 400)
    return {
      kind: "redirect",
      message: `It answered ${status}. Redirects are never followed: register the final address.`,
    };
  if (status === 410) return { kind: "gone", message: "It answered 410 Gone, which disables the endpoint." };
  return (
    cloudflare[status] ?? {
      kind: "status",
      message: `It answered ${status}.${hints[status] ? ` ${hints[status]}` : ""}`,
    }
  );
}

/** The reason when the address may not be requested, by its text or by what it resolves to. */
export const reasonOfRefusal = (refusal: AddressRefusal): Reason =>
  refusal.rule === "unresolved"
    ? { kind: "dns", message: refusal.message }
    : { kind: "address", message: `The address is refused. ${refusal.message}` };

/** The reason when the look-up failed; the sentence is the resolver's. */
export const reasonOfLookup = (sentence: string): Reason => ({
  kind: "dns",
  message: `The name could not be looked up. ${sentence}`,
});

/**
 * The reason when `fetch` threw. The runtime distinguishes a time-out and a lost connection; a name that does not resolve, a failed TLS
 * handshake and (under `serve`) an address that the public-only network refuses all look like `internal error`
 * (workerd 1.20261023). `reached` says whether a bare TCP connection to the same host and port could be made: then
 * only TLS can have failed; null when it was not tried. The runtime's own text is not passed on.
 */
export function reasonOfThrow(
  error: { name: string; message: string },
  facts: { https: boolean; resolved: boolean; reached: boolean | null },
): Reason {
  if (error.name === "TimeoutError" || error.name === "AbortError")
    return { kind: "timeout", message: `The receiver did not answer within ${ATTEMPT_TIMEOUT_MS / 1000} s.` };
  if (/connection lost|connection refused|disconnected/i.test(error.message))
    return { kind: "connection", message: "The receiver refused the connection, or closed it without an answer." };
  if (facts.reached === true && facts.https)
    return {
      kind: "tls",
      message: "The TLS handshake failed: is the certificate valid for this name, and its chain whole?",
    };
  if (facts.reached === true)
    return { kind: "connection", message: "The receiver took the connection and answered nothing that is HTTP." };
  if (facts.resolved) return { kind: "connection", message: "The receiver could not be reached." };
  return { kind: "dns", message: "The name does not resolve, or not to a public address." };
}
