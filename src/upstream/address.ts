import { type AddressClass, classifyHost } from "../base/address-ranges.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

/** The setting ALLOW_PRIVATE_NETWORK: what may be reached over plain http and on private addresses. */
export type PrivateNetwork = "none" | "instances" | "all";

const refused = (message: string): Result<string, Problem> =>
  fail(problem("invalid_request", { data: { url: { code: "validation_invalid_url", message } } }));

const never: Partial<Record<AddressClass, string>> = {
  metadata: "A metadata address is never reached.",
  "link-local": "A link-local address is never reached.",
  special: "This address is reserved and leads to no server.",
};

/**
 * The address of an instance's server as it is stored: scheme, host, port and path prefix, without a trailing slash. Every
 * odd spelling of an IP address has been undone by `URL()` before it is judged. Plain http is for loopback and private
 * addresses only, and those need the setting. Problem: `invalid_request` on the field `url`.
 */
export function baseUrl(text: string, privateNetwork: PrivateNetwork): Result<string, Problem> {
  const url = text.length <= 2048 ? URL.parse(text.trim()) : null;
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) return refused("Must be an https:// address.");
  if (url.username || url.password) return refused("Must not hold a user name or password; give a credential instead.");
  if (/[?#]/.test(text)) return refused("Must not have a query or a fragment.");
  if (/(^|\/)(_|api)\/*$/.test(url.pathname)) return refused("Must end before /_/ and /api: the relay adds the path.");
  const kind = classifyHost(url.hostname);
  // The dot that ends a name says nothing, and with it one server would have two addresses.
  url.hostname = url.hostname.replace(/\.$/, "");
  const reason = never[kind];
  if (reason) return refused(reason);
  if (kind !== "public" && privateNetwork === "none")
    return refused("Private and loopback addresses need the setting ALLOW_PRIVATE_NETWORK.");
  if (kind === "public" && url.protocol === "http:")
    return refused("Must be https://: plain http is for private and loopback addresses only.");
  return ok(url.origin + url.pathname.replace(/\/+$/, ""));
}
