import { type Problem, problem } from "../base/problem.ts";
import type { Reach } from "../http/reach.ts";
import type { UpstreamFault } from "./backups-api.ts";
import { type Fetch, outgoing } from "./exchange.ts";
import { isAway } from "./fault.ts";
import { WANTS_TLS, WITHOUT_TLS } from "./in-the-way.ts";
import { paths } from "./paths.ts";

/** Longest wait for one more try that is to tell why there was no answer, ms. */
const TRY_MS = 3_000;

/**
 * How a try without a credential ended. The runtime has two words (workerd 1.20261023): `Network connection lost` for a
 * refused or closed connection, and `internal error` for a name that does not resolve, a failed TLS handshake and an
 * address that its network refuses.
 */
type Tried = { status: number } | "lost" | "failed" | "silent";

async function tried(fetch: Fetch, url: string): Promise<Tried> {
  const cut = new AbortController();
  const timer = setTimeout(() => cut.abort(), TRY_MS);
  try {
    const { status, body } = await fetch(url, { ...outgoing, signal: cut.signal });
    await body?.cancel();
    return { status };
  } catch (error) {
    if (cut.signal.aborted) return "silent";
    return error instanceof Error && /connection lost/i.test(error.message) ? "lost" : "failed";
  } finally {
    clearTimeout(timer);
  }
}

const isLiteral = (hostname: string): boolean => hostname.startsWith("[") || /^[\d.]+$/.test(hostname);

/** The reason behind a time-out or a call that nobody answered, with its way out; null when it cannot be told. */
async function reasonOf(baseUrl: string, fetch: Fetch, reach: Reach): Promise<Problem | null> {
  const url = new URL(baseUrl + paths.health);
  const https = url.protocol === "https:";
  const port = Number(url.port) || (https ? 443 : 80);
  const other = new URL(url);
  other.protocol = https ? "http:" : "https:";
  other.port = String(port);
  const [reached, own, otherScheme] = await Promise.all([
    reach(url.hostname, port),
    tried(fetch, url.href),
    tried(fetch, other.href),
  ]);

  if (typeof own === "object") return null;
  if (reached === "silent")
    return problem("upstream_timeout", {
      message: `Nothing takes the connection at port ${port} of the server.`,
      hint: "The machine is off, its name or address is another, or a firewall drops what the relay sends: open the port to it.",
    });
  if (reached === "refused" && own === "failed" && !isLiteral(url.hostname)) return problem("upstream_name_unknown");
  if (reached === "refused")
    return problem("upstream_unreachable", {
      message: `The server refuses connections at port ${port}.`,
      hint: "It is down or restarting, or listens at another port or another of the machine's addresses.",
    });
  if (own === "silent")
    return problem("upstream_timeout", {
      message: "The server takes the connection and does not answer in time.",
      hint: "It is overloaded, or something else listens at this port: ask it for /api/health by hand, and look at its log.",
    });
  if (https && own === "failed") {
    // Servers answer plain http at a TLS port with 400, so that anything else comes from a server without TLS.
    const plain = typeof otherScheme === "object" && otherScheme.status !== 400;
    return problem("upstream_tls_failed", plain ? WITHOUT_TLS : {});
  }
  if (!https && typeof otherScheme === "object") return problem("upstream_tls_failed", WANTS_TLS);
  return problem("upstream_unreachable", {
    message: "The server takes the connection and closes it without an answer.",
    hint: https
      ? "Look at its log, and at the proxy in front of it."
      : "Look at its log; if it wants TLS at this port, the instance's address begins with https://.",
  });
}

/**
 * Says of a call that got no answer what is in the way: the name, TLS, a closed port or silence. Other faults stay as they
 * are. Takes up to `TRY_MS`, and sends no credential.
 */
export async function explained(fault: UpstreamFault, baseUrl: string, fetch: Fetch, reach: Reach | null) {
  if (reach === null || !isAway(fault.problem)) return fault;
  const reason = await reasonOf(baseUrl, fetch, reach);
  if (reason === null) return fault;
  return { ...fault, problem: { ...fault.problem, ...reason } };
}
