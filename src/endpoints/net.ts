import type { Clock } from "../base/clock.ts";
import { systemSleep } from "../base/sleep.ts";
import type { Bindings } from "../bindings.ts";
import { reach } from "../http/reach.ts";
import type { Settings } from "../settings.ts";
import type { AddressPolicy } from "../webhooks/address.ts";
import { dnsOverHttps } from "../webhooks/resolver.ts";
import type { Net } from "./attempt.ts";
import { Deadlines } from "./deadlines.ts";

export const addressPolicy = ({ privateNetwork, publicUrl, webhookPorts }: Settings): AddressPolicy => ({
  privateNetwork,
  own: publicUrl ? [new URL(publicUrl).origin] : [],
  ports: webhookPorts,
});

/**
 * For a request that came to `url`: without a PUBLIC_URL, that one is taken for the relay's own address. TLS may have ended
 * in front of the relay, so it counts with either scheme.
 */
export function addressPolicyAt(settings: Settings, url: string): AddressPolicy {
  const policy = addressPolicy(settings);
  const { host } = new URL(url);
  return settings.publicUrl ? policy : { ...policy, own: [`https://${host}`, `http://${host}`] };
}

/**
 * On plain workerd requests go through the service that checks the address a name resolved to, on Cloudflare through the
 * platform's own `fetch`, which reaches the public internet only.
 */
export function netOf(env: Bindings, settings: Settings, clock: Clock): Net {
  const { PUBLIC } = env;
  const platform: Pick<Net, "fetch"> = { fetch: (input, init) => fetch(input, init) };
  const out: Net["fetch"] = PUBLIC ? (url, init) => PUBLIC.fetch(url, init) : platform.fetch;
  return {
    fetch: out,
    reach: PUBLIC ? async (host, port) => (await reach(PUBLIC, host, port)) === "made" : null,
    resolve: settings.resolver === null ? null : dnsOverHttps(settings.resolver, out, clock),
    policy: addressPolicy(settings),
    clock,
    deadlines: new Deadlines(clock, systemSleep),
  };
}
