import type { SettingName } from "./settings.ts";

/**
 * What the platform hands the Worker. Text settings are null or absent when unset; `BRAKE` exists only on Cloudflare;
 * `PUBLIC` (a network service that reaches public addresses only) and `ROOM` (a folder on the disk of the objects' data,
 * with nothing of theirs in it) only on plain workerd. What an object answers is said by
 * its own folder: `src/directory/stub.ts`, `src/instances/stub.ts`, `src/endpoints/stub.ts`.
 */
export type Bindings = {
  DIRECTORY: DurableObjectNamespace;
  INSTANCE: DurableObjectNamespace;
  ENDPOINT: DurableObjectNamespace;
  BRAKE?: RateLimit;
  PUBLIC?: Fetcher;
  ROOM?: Fetcher;
} & { [name in SettingName]?: string | null };

/** Only Cloudflare limits what one request may use: CPU time, subrequests. */
export const onPlainWorkerd = (env: Bindings): boolean => env.PUBLIC !== undefined;
