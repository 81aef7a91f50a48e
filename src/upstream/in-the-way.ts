import type { ProblemCode } from "../base/problems.ts";

/** What stands between the relay and a server, in words with their way out. */
type InTheWay = { message: string; hint: string };

export const WITHOUT_TLS: InTheWay = {
  message: "The server speaks plain http at this port, and the instance's address says https.",
  hint: "Change the address to http:// (private and loopback addresses only), or to the port that has TLS.",
};

export const WANTS_TLS: InTheWay = {
  message: "The server wants TLS at this port, and the instance's address says http.",
  hint: "Change the instance's address to https://.",
};

/**
 * Cloudflare's own answers in place of a server that it could not talk to: as the platform of the relay it answers so
 * where another runtime's `fetch` throws, and as the proxy of a server it does on every home.
 */
const byStatus: Record<number, InTheWay & { code: ProblemCode }> = {
  521: {
    code: "upstream_proxy_failed",
    message: "The server refuses Cloudflare's connection (521).",
    hint: "It is down or restarting, listens at another port, or its firewall keeps Cloudflare out.",
  },
  523: {
    code: "upstream_proxy_failed",
    message: "Cloudflare finds no way to the server (523).",
    hint: "Check the address in the name's DNS record, and that the machine is on.",
  },
  525: {
    code: "upstream_tls_failed",
    message: "The TLS handshake between Cloudflare and the server failed (525).",
    hint: "The server must have TLS with a valid certificate at the port in the instance's address.",
  },
  526: {
    code: "upstream_tls_failed",
    message: "Cloudflare finds that the server's certificate is not valid (526).",
    hint: "It must be of a public authority or Cloudflare's Origin CA, for this name and in date: a self-signed one is refused.",
  },
};

/** The number in the body of a 530 or 403. */
const byNumber: Record<string, InTheWay & { code: ProblemCode }> = {
  1003: {
    code: "upstream_proxy_refused",
    message: "Cloudflare fetches no IP addresses (1003).",
    hint: "Give the server a name in the DNS and register that.",
  },
  1016: {
    code: "upstream_name_unknown",
    message: "The server's name does not resolve (1016).",
    hint: "Check the spelling of the instance's address and the name's DNS record.",
  },
  1033: {
    code: "upstream_proxy_failed",
    message: "The server's Cloudflare Tunnel is not connected (1033).",
    hint: "Start cloudflared beside the server and look at its log.",
  },
};

/** Null for what is none of these. */
export function cloudflareFault(status: number, text: string): (InTheWay & { code: ProblemCode }) | null {
  if (byStatus[status]) return byStatus[status];
  const [, number] = /\berror(?: code)?:? (1\d{3})\b/i.exec(status === 530 || status === 403 ? text : "") ?? [];
  return byNumber[number ?? ""] ?? null;
}
