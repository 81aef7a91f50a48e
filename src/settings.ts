import { createHash } from "node:crypto";
import { checkNetworks } from "./access/network.ts";
import { fromBase64 } from "./base/encoding.ts";
import { type Problem, problem } from "./base/problem.ts";
import { fail, ok, type Result } from "./base/result.ts";
import type { Healing } from "./transfers/download-call.ts";
import { baseUrl, type PrivateNetwork } from "./upstream/address.ts";
import type { UpstreamCredential } from "./upstream/session.ts";

/** Where a caller's address is read from (setting `CLIENT_ADDRESS`). */
type ClientAddress = { from: "cloudflare" } | { from: "socket" } | { from: "header"; name: string };

/** The bindings after validation: what the rest of the relay works with. */
export type Settings = {
  /** SHA-256 (hex) of each accepted administrator's token, and whose it is when that was said. */
  administrators: { name: string | null; digest: string }[];
  /** 32 bytes each; the first seals, the others only unseal. */
  encryptionKeys: Uint8Array<ArrayBuffer>[];
  environmentInstance: { url: string; credential: UpstreamCredential } | null;
  privateNetwork: PrivateNetwork;
  clientAddress: ClientAddress;
  trustedProxies: string[];
  resolver: string | null;
  /** Ports webhook endpoints may have besides 443, 8443 and those above 1024. */
  webhookPorts: number[];
  healing: Healing;
  publicUrl: string | null;
};

/** What is set from outside, by name. */
export type SettingName =
  | "ADMIN_TOKEN"
  | "ENCRYPTION_KEY"
  | "POCKETBASE_URL"
  | "POCKETBASE_TOKEN"
  | "POCKETBASE_EMAIL"
  | "POCKETBASE_PASSWORD"
  | "ALLOW_PRIVATE_NETWORK"
  | "CLIENT_ADDRESS"
  | "TRUSTED_PROXIES"
  | "RESOLVER"
  | "WEBHOOK_PORTS"
  | "HEALING"
  | "PUBLIC_URL";

type Texts = { [name in SettingName]?: string | null };

/** `name:token`. What stands before a colon is a name only where enough for a token follows. */
const NAMED_TOKEN = /^([a-z][a-z0-9-]{0,31}):(\S{32,})$/;

/** Values that documentation and examples show: whoever copies one has no secret. */
const KNOWN_SAMPLES = /^(change[-_ ]?me|secret|password|example|sample|test|admin|token|your[-_ ].*|x+|0+|a+|(.)\2+)$/i;
const REPEATED = /^(.{1,16}?)\1+.{0,15}$/;

/**
 * Reads every setting once. The first one that is missing or malformed is reported in one sentence with its name
 * (never its value), as `misconfigured`.
 */
export function readSettings(texts: Texts): Result<Settings, Problem> {
  const wrong = (sentence: string) => fail(problem("misconfigured", { message: sentence }));
  const text = (name: SettingName): string => (texts[name] ?? "").trim();
  const list = (name: SettingName): string[] =>
    text(name)
      .split(",")
      .map((entry) => entry.trim())
      .filter((entry) => entry !== "");

  const adminTokens = list("ADMIN_TOKEN");
  if (adminTokens.length === 0) return wrong("ADMIN_TOKEN is not set: give it at least 32 random characters.");
  const administrators: Settings["administrators"] = [];
  for (const entry of adminTokens) {
    const named = NAMED_TOKEN.exec(entry);
    const [name, token] = named ? [named[1]!, named[2]!] : [null, entry];
    if (administrators.filter((known) => known.name === name).length === 2)
      return wrong(`ADMIN_TOKEN holds more than two tokens${name === null ? "" : ` of ${name}`}.`);
    administrators.push({ name, digest: createHash("sha256").update(token).digest("hex") });
    if (token.startsWith("brk_")) return wrong("ADMIN_TOKEN looks like an API key: it must not begin with brk_.");
    if (token.length < 32) return wrong("ADMIN_TOKEN is too short: it needs at least 32 random characters.");
    if (KNOWN_SAMPLES.test(token) || REPEATED.test(token) || new Set(token).size < 8)
      return wrong("ADMIN_TOKEN is a sample or repeats itself: give it at least 32 random characters.");
  }

  const encryptionKeys: Uint8Array<ArrayBuffer>[] = [];
  for (const coded of text("ENCRYPTION_KEY").split(",")) {
    if (coded.trim() === "") continue;
    const bytes = fromBase64(coded.trim());
    if (bytes === null || bytes.length !== 32) return wrong("ENCRYPTION_KEY must be 32 random bytes in base64.");
    if (new Set(bytes).size < 8) return wrong("ENCRYPTION_KEY is a sample or repeats itself: use 32 random bytes.");
    encryptionKeys.push(bytes);
  }
  if (encryptionKeys.length === 0) return wrong("ENCRYPTION_KEY is not set: give it 32 random bytes in base64.");
  if (encryptionKeys.length > 2) return wrong("ENCRYPTION_KEY holds more than two keys.");

  const oneOf = <T extends string>(name: SettingName, allowed: readonly T[], fallback: T): T | null => {
    const value = text(name);
    if (value === "") return fallback;
    return (allowed as readonly string[]).includes(value) ? (value as T) : null;
  };
  const privateNetwork = oneOf("ALLOW_PRIVATE_NETWORK", ["none", "instances", "all"] as const, "none");
  if (privateNetwork === null) return wrong("ALLOW_PRIVATE_NETWORK must be none, instances or all.");
  const healing = oneOf("HEALING", ["exact", "segments", "off"] as const, "segments");
  if (healing === null) return wrong("HEALING must be exact, segments or off.");

  const from = text("CLIENT_ADDRESS") || "cloudflare";
  const header = /^header:([a-z0-9-]+)$/i.exec(from);
  if (from !== "cloudflare" && from !== "socket" && header === null)
    return wrong("CLIENT_ADDRESS must be cloudflare, socket or header:<name>.");
  const clientAddress: ClientAddress = header
    ? { from: "header", name: header[1]!.toLowerCase() }
    : { from: from as "cloudflare" | "socket" };
  const trustedProxies = list("TRUSTED_PROXIES");
  if (!checkNetworks(trustedProxies).ok)
    return wrong("TRUSTED_PROXIES must be a comma-separated list of CIDR blocks such as 10.0.0.0/8.");
  if (header && trustedProxies.length === 0)
    return wrong("CLIENT_ADDRESS=header:<name> needs TRUSTED_PROXIES, the CIDR blocks the header is believed from.");

  const resolver = text("RESOLVER");
  if (resolver !== "" && resolver !== "off" && !resolver.startsWith("https://"))
    return wrong("RESOLVER must be the https address of a DNS-over-HTTPS resolver, or off.");
  const webhookPorts: number[] = [];
  for (const port of list("WEBHOOK_PORTS")) {
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
      return wrong("WEBHOOK_PORTS must be port numbers, separated by commas.");
    webhookPorts.push(Number(port));
  }
  const publicUrl = text("PUBLIC_URL").replace(/\/+$/, "");
  if (publicUrl !== "" && !/^https?:\/\/[^/?#@]+(\/[^?#]*)?$/.test(publicUrl))
    return wrong("PUBLIC_URL must be the relay's own http(s) address, without query or credentials.");

  const environmentInstance = readEnvironmentInstance(text, privateNetwork);
  if (!environmentInstance.ok) return wrong(environmentInstance.error);

  return ok({
    administrators,
    encryptionKeys,
    environmentInstance: environmentInstance.value,
    privateNetwork,
    clientAddress,
    trustedProxies,
    webhookPorts,
    resolver: resolver === "" || resolver === "off" ? null : resolver,
    healing,
    publicUrl: publicUrl === "" ? null : publicUrl,
  });
}

function readEnvironmentInstance(
  text: (name: SettingName) => string,
  privateNetwork: PrivateNetwork,
): Result<Settings["environmentInstance"], string> {
  const given = text("POCKETBASE_URL");
  const token = text("POCKETBASE_TOKEN");
  const email = text("POCKETBASE_EMAIL");
  const password = text("POCKETBASE_PASSWORD");
  if (given === "")
    return token || email || password
      ? fail("POCKETBASE_URL is not set although a POCKETBASE_ credential is.")
      : ok(null);
  const address = baseUrl(given, privateNetwork);
  if (!address.ok) return fail(`POCKETBASE_URL cannot be used. ${address.error.data?.url?.message ?? ""}`.trim());
  const url = address.value;
  if (token !== "") return ok({ url, credential: { kind: "token", token } });
  if (email === "" || password === "")
    return fail("POCKETBASE_URL needs POCKETBASE_TOKEN, or POCKETBASE_EMAIL and POCKETBASE_PASSWORD.");
  return ok({ url, credential: { kind: "password", email, password } });
}
