import type { Flavour, Health, Listing, UpstreamResult } from "./backups-api.ts";
import type { ServerSettings } from "./inspection.ts";

/** Something true of this server that will matter later, and the way out. */
export type CheckWarning = { code: string; message: string; hint: string };

/** What a look at a server found (API.md "Instances"). Never an error: a bad finding is a warning with its way out. */
export type Check = {
  at: string;
  reachable: boolean;
  authorized: boolean;
  flavour: Flavour;
  /** The range of versions the server's answers allow for; left out when they tell nothing. */
  version?: string;
  /** False while a backup is made or restored; null when it could not be asked. */
  idle: boolean | null;
  storage: "local" | "s3" | "unknown";
  latencyMs: number | null;
  /** How far the server's clock is ahead of ours. */
  clockSkewSeconds: number | null;
  warnings: CheckWarning[];
};

/** The answers a check is made of; `inspect` collects them. */
export type Observed = {
  /** When the last of the two healths came, in ms since the epoch. */
  at: number;
  baseUrl: string;
  credential: { kind: "token" | "password" /** ms since the epoch. */; expires: number | null };
  /** The relay itself runs on Cloudflare, whose cap on bodies then stands before it. */
  edge: boolean;
  /** Health as anybody gets it: tells whether the server is there at all. */
  guest: UpstreamResult<Health>;
  health: UpstreamResult<Health>;
  list: UpstreamResult<Listing>;
  settings: UpstreamResult<ServerSettings>;
};
