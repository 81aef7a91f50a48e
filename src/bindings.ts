import type { Directory } from "./instances/directory.ts";
import type { Instance } from "./instances/instance.ts";
import type { Endpoint } from "./webhooks/endpoint.ts";

/**
 * What the platform hands the Worker. Text settings are null or absent when unset; `BRAKE` exists only on Cloudflare and
 * `PUBLIC` (a network service that reaches public addresses only) only on plain workerd.
 */
export type Bindings = {
  DIRECTORY: DurableObjectNamespace<Directory>;
  INSTANCE: DurableObjectNamespace<Instance>;
  ENDPOINT: DurableObjectNamespace<Endpoint>;
  BRAKE?: RateLimit;
  PUBLIC?: Fetcher;
} & { [name in SettingName]?: string | null };

/** Only Cloudflare limits what one request may use: CPU time, subrequests. */
export const onPlainWorkerd = (env: Bindings): boolean => env.PUBLIC !== undefined;

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
