import { inNetworks } from "../access/network.ts";
import type { Settings } from "../settings.ts";

/**
 * The client's address, null when it is unknown. A setting says where it is found: Cloudflare's edge sets
 * `cf-connecting-ip`; on plain workerd that header is the client's own text, so only the socket's address counts; behind a
 * proxy of one's own a header counts when the socket belongs to that proxy.
 */
export function clientAddress(request: Request, settings: Settings): string | null {
  if (settings.clientAddress.from === "cloudflare") return request.headers.get("cf-connecting-ip");
  const socket = socketAddress(request);
  if (settings.clientAddress.from === "socket" || socket === null) return socket;
  if (!inNetworks(socket, settings.trustedProxies)) return socket;
  const forwarded = request.headers.get(settings.clientAddress.name);
  // The nearest proxy appends to the list, so the last entry is the address that it saw itself.
  return forwarded?.split(",").at(-1)?.trim() || socket;
}

/** workerd gives the socket as `address:port`, with IPv6 in brackets. */
function socketAddress(request: Request): string | null {
  const clientIp = (request.cf as { clientIp?: unknown } | undefined)?.clientIp;
  if (typeof clientIp !== "string") return null;
  const bracketed = /^\[([^\]]+)\](:\d+)?$/.exec(clientIp);
  return bracketed ? bracketed[1]! : clientIp.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
}
