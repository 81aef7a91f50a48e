import ipaddr from "ipaddr.js";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

export const MAX_NETWORKS = 50;

/** Strict spellings only (no octal, no hex, no missing parts); an IPv4 address inside IPv6 counts as IPv4. */
function parseAddress(text: string): Address | null {
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !(text.includes(":") && ipaddr.IPv6.isValid(text))) return null;
  return ipaddr.process(text);
}

function parseNetwork(text: string): [Address, number] | null {
  const [head = "", bits, ...more] = text.split("/");
  const address = parseAddress(head);
  if (!address || head.includes("%") || more.length > 0) return null;
  const whole = address.kind() === "ipv4" ? 32 : 128;
  if (bits === undefined) return [address, whole];
  if (!/^(0|[1-9][0-9]{0,2})$/.test(bits)) return null;
  const mapped = whole === 32 && head.includes(":");
  const length = mapped ? Number(bits) - 96 : Number(bits);
  return length >= 0 && length <= whole ? [address, length] : null;
}

function networkText([address, bits]: [Address, number]): string {
  const cidr = `${address.toString()}/${bits}`;
  const base =
    address.kind() === "ipv4" ? ipaddr.IPv4.networkAddressFromCIDR(cidr) : ipaddr.IPv6.networkAddressFromCIDR(cidr);
  return `${base.toString()}/${bits}`;
}

/** CIDR blocks (or single addresses, v4 and v6, at most 50) in one spelling; else `invalid_request` naming `networks`. */
export function checkNetworks(networks: readonly string[]): Result<string[], Problem> {
  const refuse = (code: string, message: string) =>
    fail(problem("invalid_request", { data: { networks: { code, message } } }));
  if (networks.length > MAX_NETWORKS) {
    return refuse("validation_length_out_of_range", `There may be at most ${MAX_NETWORKS} networks.`);
  }
  const parsed = networks.map(parseNetwork);
  const bad = parsed.indexOf(null);
  if (bad >= 0)
    return refuse("validation_match_invalid", `Number ${bad + 1} is not a CIDR block such as 203.0.113.0/24.`);
  return ok(parsed.map((network) => networkText(network!)));
}

/** Whether the address lies in one of the networks. An unknown or unreadable address lies in none; no networks hold none. */
export function inNetworks(address: string | null, networks: readonly string[]): boolean {
  const caller = address === null ? null : parseAddress(address);
  if (!caller) return false;
  return networks.some((text) => {
    const network = parseNetwork(text);
    return network !== null && network[0].kind() === caller.kind() && caller.match(network[0], network[1]);
  });
}

/** What a failure without a valid credential is counted under: an IPv4 address, an IPv6 /64, or `unknown` for all others. */
export function brakeBucket(address: string | null): string {
  const caller = address === null ? null : parseAddress(address);
  if (!caller) return "unknown";
  return caller.kind() === "ipv4" ? caller.toString() : networkText([caller, 64]);
}
