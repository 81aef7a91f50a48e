import ipaddr from "ipaddr.js";
import { type AddressClass, classify, classifyHost } from "../base/address-ranges.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { PrivateNetwork } from "../upstream/address.ts";

/** What the operator of this relay allows webhook addresses to be. */
export type AddressPolicy = {
  /** Only `all` admits http, private names and private addresses; link-local and metadata ones nothing does. */
  privateNetwork: PrivateNetwork;
  /** The relay's own addresses as `https://host[:port]`: an endpoint there would send the relay its own events. */
  own: readonly string[];
  /** Ports up to 1024 that are allowed besides 443 and 8443. */
  ports: readonly number[];
};

export type AddressRule =
  | Exclude<AddressClass, "public">
  | "unreadable"
  | "scheme"
  | "credentials"
  | "fragment"
  | "port"
  | "own"
  | "wildcard-dns"
  | "unresolved";

export type AddressRefusal = { rule: AddressRule; message: string };

export type WebhookAddress = {
  /** As it will be requested. */
  url: string;
  /** Host and port: all that is ever shown of it, because path and query may be secrets. */
  host: string;
  /** The name to resolve before each attempt; null when the address needs none. */
  name: string | null;
};

const LONGEST_URL = 2_048;

const messages: Record<AddressRule, string> = {
  unreadable: "This is not an address that every program reads alike. Write https://host/path in plain characters.",
  scheme: "Webhooks go to https:// addresses only.",
  credentials: "Leave out the user name and password; send a token in a header of the endpoint instead.",
  fragment: "Leave out the part after #; it is never sent.",
  port: "Use port 443, 8443, or one above 1024.",
  own: "This is the relay itself.",
  loopback: "This leads to the machine that the relay runs on.",
  private: "This leads into a private network.",
  "link-local": "This leads to a link-local address.",
  metadata: "This leads to a cloud's metadata service.",
  special: "This address or name is reserved and belongs to nobody on the public internet.",
  "wildcard-dns": "Names of this domain resolve to whatever address they spell out.",
  unresolved: "The name has no address.",
};

const refused = (rule: AddressRule) => fail<AddressRefusal>({ rule, message: messages[rule] });

/** Public DNS services whose names resolve to the address they spell out, or always to 127.0.0.1. */
const WILDCARD_DNS =
  /(^|\.)(nip\.io|sslip\.io|xip\.io|traefik\.me|localtest\.me|lvh\.me|vcap\.me|local\.gd|lacolhost\.com)$/;

/**
 * Reads the address of a webhook endpoint: when it is stored, and again before each attempt, because the policy may have
 * become stricter. It checks what the URL parser makes of the text, so every spelling of an address is the same address.
 * What a name resolves to is not known from the text: resolve `name` and ask `decideResolved`.
 */
export function readAddress(text: string, policy: AddressPolicy): Result<WebhookAddress, AddressRefusal> {
  if (text.length > LONGEST_URL || !/^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(text)) return refused("unreadable");
  // The URL parser drops tabs and line ends and takes a backslash for a slash; other programs do not.
  if (/[\u0000-\u0020\u007f\\]/.test(text) || !URL.canParse(text)) return refused("unreadable");
  const url = new URL(text);
  const allowPrivate = policy.privateNetwork === "all";
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:")) return refused("scheme");
  if (/^[^/?#]*\/\/[^/?#]*@/.test(text)) return refused("credentials");
  if (text.includes("#")) return refused("fragment");
  const hostname = url.hostname.replace(/\.$/, "");
  if (hostname.length > 253 || hostname.split(".").includes("")) return refused("unreadable");
  url.hostname = hostname;

  const rule = hostRule(hostname);
  if (rule !== null && !(allowPrivate && (rule === "loopback" || rule === "private"))) return refused(rule);
  if (policy.own.some((own) => isRelay(url, own, rule === null))) return refused("own");
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  const plain = allowPrivate && url.protocol === "http:" && port === 80;
  if (!(port === 443 || port === 8443 || port > 1024 || plain || policy.ports.includes(port))) return refused("port");
  return ok({ url: url.href, host: url.host, name: isLiteral(hostname) ? null : hostname });
}

/**
 * Whether a name may be requested that resolves to these addresses, A and AAAA together. One that is not public is enough
 * to refuse, because the platform chooses which of them it connects to.
 */
export function decideResolved(addresses: readonly string[], policy: AddressPolicy): Result<null, AddressRefusal> {
  if (addresses.length === 0) return refused("unresolved");
  for (const address of addresses) {
    const rule = literalRule(address);
    if (rule === null || (policy.privateNetwork === "all" && (rule === "loopback" || rule === "private"))) continue;
    return refused(rule);
  }
  return ok(null);
}

/**
 * Whether the receiver is known to be on the public internet, so that its answers may be shown (SECURITY 22). Where
 * private ones are refused every receiver is. `resolved` are the name's addresses; null when they were not looked up.
 */
export function isPublicReceiver(
  address: WebhookAddress,
  policy: AddressPolicy,
  resolved: readonly string[] | null,
): boolean {
  const strict: AddressPolicy = { ...policy, privateNetwork: "none" };
  if (policy.privateNetwork !== "all") return true;
  if (address.name === null) return hostRule(new URL(address.url).hostname) === null;
  return hostRule(address.name) === null && resolved !== null && decideResolved(resolved, strict).ok;
}

const isLiteral = (hostname: string) => hostname.startsWith("[") || ipaddr.IPv4.isValidFourPartDecimal(hostname);

function hostRule(hostname: string): AddressRule | null {
  if (hostname.startsWith("[")) return literalRule(hostname.slice(1, -1));
  const kind = classifyHost(hostname);
  if (kind !== "public") return kind;
  return WILDCARD_DNS.test(hostname) ? "wildcard-dns" : null;
}

function literalRule(address: string): AddressRule | null {
  const kind = classify(address);
  return kind === "public" ? null : kind;
}

/** Other programs on a private host are told apart by the port; a public name is the relay on every port. */
function isRelay(url: URL, own: string, publicHost: boolean): boolean {
  if (!URL.canParse(own)) return false;
  const other = new URL(own);
  if (other.hostname.replace(/\.$/, "") !== url.hostname) return false;
  const port = ({ port, protocol }: URL) => port || (protocol === "https:" ? "443" : "80");
  return publicHost || port(other) === port(url);
}
