import type { Clock } from "../base/clock.ts";
import { systemSleep } from "../base/sleep.ts";
import type { Bindings } from "../bindings.ts";
import type { Settings } from "../settings.ts";
import type { AddressPolicy } from "../webhooks/address.ts";
import { dnsOverHttps } from "../webhooks/resolver.ts";
import type { Net } from "./attempt.ts";
import { Deadlines } from "./deadlines.ts";

const REACH_MS = 3_000;

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
    reach: PUBLIC ? (host, port) => reach(PUBLIC, host, port) : null,
    resolve: settings.resolver === null ? null : dnsOverHttps(settings.resolver, out, clock),
    policy: addressPolicy(settings),
    clock,
    deadlines: new Deadlines(clock, systemSleep),
  };
}

/** Whether a TCP connection can be made within `REACH_MS`; it is closed at once. */
async function reach(network: Fetcher, hostname: string, port: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const socket = network.connect({ hostname, port });
    const timedOut = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), REACH_MS);
    });
    const opened = socket.opened.then(
      () => true,
      () => false,
    );
    socket.closed.catch(() => undefined);
    const reached = await Promise.race([opened, timedOut]);
    socket.close().catch(() => undefined);
    return reached;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
